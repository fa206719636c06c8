import Domain
import FoundationEssentials
import Native
import SQL
import Storage
import TestSupport
import Testing

@Suite("Credentials, ended by whoever holds them")
struct CredentialTests {
    /// Ends `text`; what is answered must be the same whatever it is.
    @discardableResult
    private static func revoke(
        _ text: String,
        _ server: TestServer,
        query: [(String, String)] = []
    ) async throws -> SpecAnswer {
        let body: JSON = ["credential": .string(text)]
        let answer = try await server.call("revokeCredential", query: query, body: body, key: nil)
        #expect(answer.status == 204, "\(answer.text)")
        return answer
    }

    private static func works(_ key: String?, _ server: TestServer) async throws -> Bool {
        try await server.call("getMe", key: key).status == 200
    }

    private static let actions = SQLStatement(
        "SELECT action FROM audit WHERE account_id = $1 AND actor_role = 'credential' AND address = '127.0.0.1' ORDER BY id"
    )

    /// The actions in an account's record by this door, oldest first.
    private static func ended(_ account: String?, _ server: TestServer) async throws -> [String] {
        var number = AccountNumber.installation
        if let account {
            number = try await server.store.accounts.find(try #require(AccountID(account))).number
        }
        let id = Int64(number.value)
        return try await server.store.database.read(.platform) { connection in
            try connection.rows(actions, [.integer(id)]) { row throws(SQLError) in
                String(decoding: row.bytes(0), as: UTF8.self)
            }
        }
    }

    @Test("a key is over at once, also when its account is suspended; the record says who ended it")
    func apiKey() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            try await Self.revoke(people.erin, server, query: [("dry_run", "true")])
            #expect(try await Self.works(people.erin, server))
            try await Self.revoke("Authorization: Bearer \(people.erin)", server)
            #expect(try await !Self.works(people.erin, server))
            let path = ["account_id": people.account]
            let suspend: JSON = ["status": "suspended"]
            try await server.call("updateAccount", path, body: suspend, key: people.olga)
            try await Self.revoke(people.bob, server)
            try await server.call("updateAccount", path, body: ["status": "active"], key: people.olga)
            #expect(try await !Self.works(people.bob, server))
            #expect(try await Self.works(people.alice, server))
            #expect(try await Self.works(people.charlie, server))
            #expect(try await Self.ended(people.account, server) == ["api_key.delete", "api_key.delete"])
            #expect(try await Self.ended(people.otherAccount, server) == [])
        }
    }

    @Test("of a key with two secrets the previous one ends alone, the present one ends the key")
    func previousSecret() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let people = try await People(server)
            let me = try await server.call("getMe", key: people.bob)
            let path = ["account_id": people.account, "api_key_id": me.json["api_key_id"]?.string ?? ""]
            let rotated = try await server.call("rotateAPIKey", path, body: [:], key: people.alice)
            let new = try #require(rotated.json["secret"]?.string)
            try await Self.revoke(people.bob, server)
            #expect(try await !Self.works(people.bob, server))
            #expect(try await Self.works(new, server))
            let key = try await server.call("getAPIKey", path, key: people.alice)
            #expect(key.json["previous_secret_ends_at"] == .null && key.json["version"] == 3)
            try await Self.revoke(people.bob, server)
            let last = try await server.call("rotateAPIKey", path, body: [:], key: people.alice)
            clock.advance(seconds: 90_000)
            try await Self.revoke(new, server)
            #expect(try await Self.works(last.json["secret"]?.string, server))
            try await Self.revoke(last.json["secret"]?.string ?? "", server)
            #expect(try await server.call("getAPIKey", path, key: people.alice).status == 404)
            let ended = try await Self.ended(people.account, server)
            #expect(ended == ["api_key.end_previous_secret", "api_key.delete"])
        }
    }

    @Test("a push URL is revoked by its token, and by each of its forms", arguments: 0..<3)
    func pushURL(form: Int) async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let issued = try await server.call("revealPushURL", estate.path, key: estate.admin).json
            let url = try #require(issued["url"]?.string)
            let forms = [url, issued["compatible_url"]?.string ?? "", String(url.suffix(PushToken.length))]
            #expect(try await server.push(url, ARMS.body([.init("a")])).status == 200)
            try await Self.revoke(forms[form], server, query: [("dry_run", "true")])
            #expect(try await server.push(url, ARMS.body([.init("a")])).status == 200)
            try await Self.revoke(forms[form], server)
            #expect(try await server.push(url, ARMS.body([.init("a")])).status == 401)
            #expect(try await server.push(estate.shared.url, ARMS.body([.init("a")])).status == 200)
            let shown = try await server.call("getPushURL", estate.path, key: estate.admin)
            #expect(shown.json["status"] == "revoked")
            try await Self.revoke(forms[form], server)
            #expect(try await Self.ended(estate.path["account_id"], server) == ["push_url.revoke"])
        }
    }

    @Test("what nobody issued, or is over already, is answered as what was ended, and changes nothing")
    func unknown() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let channel = try await people.channel("c")
            let integration = try await people.dedicated("i", channel: channel)
            var random = SecureRandom()
            let forged = APIKeySecret(kind: .account, random: &random).revealed
            let known = try #require(APIKeySecret(Array(people.alice.utf8)))
            let sibling = APIKeySecret(kind: .account, publicID: known.publicID, random: &random).revealed
            let token = try #require(PushToken(integration.url.utf8.suffix(PushToken.length)))
            let foreign = PushTokenKeys(roots: [1: Array(0..<32)], deploymentID: Array(0..<16))
            let stranger = foreign.issue(
                kid: 1,
                account: token.account,
                integration: token.integration,
                tag: token.tag,
                expiryDay: 0
            )
            let unissued = server.store.pushTokenKeys.issue(
                kid: token.kid,
                account: token.account,
                integration: token.integration,
                tag: PushTag(value: token.tag.value ^ 1),
                expiryDay: 0
            )
            let right = try await Self.revoke(people.bob, server)
            for text in [people.bob, forged, sibling]
                + [stranger, unissued].map({ String(decoding: $0, as: UTF8.self) })
            {
                let answer = try await Self.revoke(text, server)
                #expect(answer.body == right.body)
                let names = [answer, right].map { $0.headers.map { $0.name.lowercased() }.sorted() }
                #expect(names[0] == names[1])
            }
            #expect(try await Self.works(people.alice, server))
            #expect(try await server.push(integration.url, ARMS.body([.init("a")])).status == 200)
            #expect(try await Self.ended(people.account, server) == ["api_key.delete"])
        }
    }

    @Test("the last operator key can't be ended; another one can")
    func lastOperatorKey() async throws {
        try await TestServer.with { server in
            let body: JSON = ["credential": .string(server.operatorKey)]
            let refused = try await server.call("revokeCredential", body: body, key: nil)
            #expect(refused.status == 409 && refused.json["code"] == "last_operator_key")
            let made = try await server.call(
                "createOperatorKey",
                body: ["name": "second"],
                key: server.operatorKey
            )
            let second = try #require(made.json["secret"]?.string)
            try await Self.revoke(server.operatorKey, server)
            #expect(try await !Self.works(server.operatorKey, server))
            #expect(try await Self.works(second, server))
            #expect(try await Self.ended(nil, server) == ["api_key.delete"])
        }
    }

    @Test("what can't be a credential is refused, so that nobody believes to have ended it")
    func malformed() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let (bob, erin) = (people.bob, people.erin)
            for text in ["", "secret", String(bob.dropLast()), bob.uppercased(), "\(bob) \(erin)"] {
                let body: JSON = ["credential": .string(text)]
                let answer = try await server.call("revokeCredential", body: body, key: nil)
                #expect(
                    answer.status == 422 && answer.json["errors"]?[0]?["pointer"] == "/credential",
                    "\(text)"
                )
            }
            #expect(try await Self.works(bob, server))
            #expect(try await Self.works(erin, server))
        }
    }

    @Test("one client asks 50 times at once, then 429 names the bucket; others are not held up")
    func limit() async throws {
        let options = ["trusted-proxies": "127.0.0.1/32"]
        try await TestServer.with(options: options, clock: WallClockAtRest.wall) { server in
            func ask(from address: String) async throws -> SpecAnswer {
                try await server.call(
                    "revokeCredential",
                    body: ["credential": "tak_8IQ9Y7aJZqhB6baeCN6Zj4a3dDVhYRnKTbxTNJFoBi0MhO5o"],
                    key: nil,
                    headers: [("X-Forwarded-For", address)]
                )
            }
            for _ in 0..<50 { #expect(try await ask(from: "2001:db8::1").status == 204) }
            let refused = try await ask(from: "2001:db8::2")
            #expect(refused.status == 429 && refused.json["bucket"] == "credentials")
            #expect(refused.json["limit"] == 50 && refused.json["reset_seconds"] == 10)
            #expect(refused.header("Retry-After") == "1")
            #expect(try await ask(from: "2001:db8:0:1::1").status == 204)
        }
    }

    // MARK: The form of secrets

    @Test("the documented pattern finds every secret in a text, whole, and its checksum is as documented")
    func form() async throws {
        let spec = try Spec.shared()
        let pattern = try #require(spec.document["x-secret-pattern"]?.string)
        let readme = try String(
            contentsOf: Spec.packageRoot().appending(path: "README.md"),
            encoding: .utf8
        )
        let info = try #require(spec.document.value(at: "/info/description")?.string)
        #expect(readme.contains(pattern) && info.contains(pattern))
        var random = SecureRandom()
        let keys = PushTokenKeys(roots: [1: SecureRandom.bytes(32)], deploymentID: SecureRandom.bytes(16))
        let expression = try Pattern(Array(pattern.utf8))
        for index in 0..<1_000 {
            let token = keys.issue(
                kid: 1,
                account: AccountNumber(random.next()),
                integration: IntegrationNumber(random.next()),
                tag: PushTag(value: random.next()),
                expiryDay: UInt16(index)
            )
            let secrets = [
                APIKeySecret(kind: .account, random: &random).bytes,
                APIKeySecret(kind: .operator, random: &random).bytes, token,
            ]
            for secret in secrets {
                let whole = try Pattern(Array("^(?:\(pattern))$".utf8))
                #expect(whole.matches(secret))
                #expect(expression.matches(Array("key = \"".utf8) + secret + Array("\";".utf8)))
                #expect(!whole.matches(secret + [0x30]) && !expression.matches(secret.dropLast()))
                #expect(Self.checksum(secret.dropLast(6)) == Array(secret.suffix(6)))
            }
        }
    }

    /// CRC-32 bit by bit, in base 62: written from the documentation, not from the code.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        crc ^= 0xFFFF_FFFF
        let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        var text: [UInt8] = []
        for _ in 0..<6 {
            text.insert(digits[Int(crc % 62)], at: 0)
            crc /= 62
        }
        return text
    }
}
