import TestSupport
import Testing

@Suite("Pushes")
struct PushTests {
    // MARK: Carriers

    /// The ways of carrying a token.
    private enum Carrier: String, CaseIterable {
        case path
        case query
        case bearer
        case header

        /// Path and headers of a push that carries `token` in this way only.
        func request(_ token: String) -> (path: String, headers: [(String, String)]) {
            switch self {
            case .path: ("/p/\(token)", [])
            case .query: ("/event/push/alert/aliyun-arms?integration_key=\(token)", [])
            case .bearer: ("/p", [("Authorization", "Bearer \(token)")])
            case .header: ("/event/push/alert/aliyun-arms", [("X-Integration-Key", token)])
            }
        }
    }

    /// A push that carries one token in each of two ways.
    private func push(
        _ first: Carrier,
        _ token: String,
        _ second: Carrier,
        _ other: String,
        _ server: TestServer
    ) async throws -> SpecAnswer {
        let (one, two) = (first.request(token), second.request(other))
        // The address that holds a token; both can't.
        let path = [.path, .query].contains(first) ? one.path : two.path
        return try await server.send("POST", path, headers: one.headers + two.headers, body: Sender.body)
    }

    @Test("each carrier of a token is taken by itself", arguments: Carrier.allCases)
    private func carrier(carrier: Carrier) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let (path, headers) = carrier.request(sender.token)
            let answer = try await server.send("POST", path, headers: headers, body: Sender.body)
            #expect(answer.status == 200)
            #expect(answer.json["data"]?["event_count"] == 1)
            #expect(answer.json["data"]?["alert_keys"] == ["a"])
        }
    }

    @Test("the bare token as Authorization, and a token on the Flashduty path as Bearer, are taken")
    func otherHeaders() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let path = "/event/push/alert/aliyun-arms"
            for value in ["Bearer \(sender.token)", sender.token] {
                let headers = [("Authorization", value)]
                let answer = try await server.send("POST", path, headers: headers, body: Sender.body)
                #expect(answer.status == 200)
            }
        }
    }

    @Test(
        "two tokens that differ are 401, twice the same is taken",
        arguments: [
            (Carrier.path, Carrier.bearer), (.path, .header), (.query, .bearer), (.query, .header),
            (.bearer, .header), (.header, .header),
        ]
    )
    private func conflicts(first: Carrier, second: Carrier) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let other = try await sender.issue()
            let otherToken = other.url.split(separator: "/").last.map { String($0) } ?? ""
            let same = try await push(first, sender.token, second, sender.token, server)
            #expect(same.status == 200)
            #expect(try await push(first, sender.token, second, otherToken, server).status == 401)
            #expect(try await push(first, otherToken, second, sender.token, server).status == 401)
        }
    }

    @Test("two tokens in one query that differ are 401")
    func twoInQuery() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let other = try await sender.issue()
            let second = other.url.split(separator: "/").last ?? ""
            let path =
                "/event/push/alert/aliyun-arms?integration_key=\(sender.token)&integration_key=\(second)"
            #expect(try await server.send("POST", path, body: Sender.body).status == 401)
        }
    }

    @Test("the body of Expect: 100-continue is asked for after the token was found good")
    func expectContinue() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await RawConnection.with(server) { connection in
                let length = Sender.body.count
                try await connection.say(
                    "POST /p/\(sender.token) HTTP/1.1\r\nHost: t\r\nContent-Length: \(length)\r\n"
                        + "Expect: 100-continue\r\n\r\n"
                )
                #expect(try await connection.hear("\r\n\r\n"))
                #expect(connection.heard.hasPrefix("HTTP/1.1 100 Continue\r\n"))
                try await connection.say(String(decoding: Sender.body, as: UTF8.self))
                #expect(try await connection.hear("HTTP/1.1 200 OK"))
            }
        }
    }

    @Test("the body of Expect: 100-continue is not asked for when the token is forged")
    func expectWithForgedToken() async throws {
        try await TestServer.with { server in
            try await RawConnection.with(server) { connection in
                try await connection.say(
                    "POST /p/none HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
                )
                #expect(try await connection.hear("Unauthorized"))
                #expect(connection.heard.hasPrefix("HTTP/1.1 401"))
            }
        }
    }

    // MARK: Push URLs

    @Test("the last use of a push URL and how often it was used are shown within 3 s")
    func lastUsed() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let path = try await sender.pushURL()
            let unused = try await server.call("getPushURL", path, key: sender.people.bob)
            #expect(unused.json["use_count"] == 0)
            #expect(unused.json["last_used_at"] == .null)
            for _ in 0..<3 { try await server.push(sender.url, Sender.body) }
            let isShown = try await eventually {
                let used = try await server.call("getPushURL", path, key: sender.people.bob).json
                return used["use_count"] == 3 && used["last_used_address"] == "127.0.0.1"
                    && used["last_used_at"] != .null
            }
            #expect(isShown)
            let integration = try await server.call("getIntegration", sender.path, key: sender.people.bob)
            #expect(integration.json["last_delivery_at"] != .null)
        }
    }

    @Test("two push URLs work side by side; revoking one is immediate and leaves the other")
    func overlap() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let other = try await sender.issue()
            for url in [sender.url, other.url, other.compatible] {
                #expect(try await server.push(url, Sender.body).status == 200)
            }
            let path = sender.path.merging(["push_url_id": other.id]) { $1 }
            for _ in 0..<2 {
                #expect(try await server.call("deletePushURL", path, key: sender.people.erin).status == 204)
            }
            #expect(try await server.push(other.url, Sender.body).status == 401)
            #expect(try await server.push(other.compatible, Sender.body).status == 401)
            #expect(try await server.push(sender.url, Sender.body).status == 200)
            let revoked = try await server.call("getPushURL", path, key: sender.people.bob)
            #expect(revoked.json["status"] == "revoked")
            #expect(revoked.json["revoked_at"] != .null)
        }
    }

    @Test("a push URL is masked when read, and shown again by reveal")
    func reveal() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let other = try await sender.issue()
            let path = sender.path.merging(["push_url_id": other.id]) { $1 }
            let read = try await server.call("getPushURL", path, key: sender.people.bob)
            #expect(read.json["masked_token"]?.string == "tpu_...\(other.url.suffix(4))")
            #expect(!read.text.contains(other.url.suffix(30)))
            let shown = try await server.call("revealPushURL", path, key: sender.people.erin)
            #expect(shown.json["url"]?.string == other.url)
            #expect(shown.json["compatible_url"]?.string == other.compatible)
        }
    }

    @Test("a push URL ends when it was told to, and the end can only move earlier")
    func expiry() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            let issued = try await sender.issue(["expires_at": "2026-12-31T00:00:00Z"])
            let path = sender.path.merging(["push_url_id": issued.id]) { $1 }
            func move(_ to: JSON) async throws -> SpecAnswer {
                let body: JSON = ["expires_at": to]
                return try await server.call("updatePushURL", path, body: body, key: sender.people.erin)
            }
            let later = try await move("2027-01-01T00:00:00Z")
            #expect(later.status == 422)
            #expect(later.json["errors"]?[0]?["pointer"] == "/expires_at")
            #expect(try await move(.null).status == 422)
            #expect(try await move("2026-11-20T10:00:00Z").json["status"] == "active")
            #expect(try await server.push(issued.url, Sender.body).status == 200)
            clock.advance(seconds: 3 * 3_600)
            #expect(try await server.push(issued.url, Sender.body).status == 401)
            let over = try await server.call("getPushURL", path, key: sender.people.bob)
            #expect(over.json["status"] == "expired")
        }
    }

    @Test("no token comes into a log or a metric")
    func secrecy() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let other = try await sender.issue()
            for url in [sender.url, other.compatible] { try await server.push(url, Sender.body) }
            // The server may close a connection after such a request, and the next one must not cross that.
            let alone = [("Connection", "close")]
            _ = try await server.send("GET", "/p/\(sender.token)", headers: alone)
            _ = try await server.send("POST", "/p/\(sender.token)/more", headers: alone, body: Sender.body)
            try await server.push(sender.url, Array("{".utf8))
            let metrics = try await server.call("getMetrics", key: nil)
            for secret in [
                sender.token, String(other.url.suffix(55)), sender.people.alice, server.operatorKey,
            ] {
                let part = secret.dropFirst(4).prefix(20)
                #expect(!server.log.text.contains(part))
                #expect(!metrics.text.contains(part))
            }
        }
    }

    // MARK: What senders really send

    @Test(
        "bodies that are not quite JSON are taken",
        arguments: [
            (
                [0xEF, 0xBB, 0xBF] + Array(#"{"alerts":[{"labels":{"alertname":"BOM"}}]}"#.utf8),
                "BOM"
            ),
            (
                Array(#"{"alerts":[{"labels":{"alertname":"x"#.utf8) + [0xFF, 0xFE]
                    + Array(#"y"}}]}"#.utf8),
                "x\u{FFFD}\u{FFFD}y"
            ),
            (
                Array(#"{"alerts":[{"labels":{"alertname":12345678901234567890}}]}"#.utf8),
                "12345678901234567890"
            ),
            (Array(#"{"alerts":[{"labels":{"alertname":"a\u0000b"}}]}"#.utf8), "a\u{FFFD}b"),
            (Array(#"{"alerts":[{"labels":{"alertname":"a\ud800b"}}]}"#.utf8), "a\u{FFFD}b"),
        ] as [([UInt8], String)]
    )
    func almostJSON(body: [UInt8], title: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let answer = try await server.push(sender.url, body)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try await sender.alerts().map { $0["title"]?.string } == [title])
        }
    }

    @Test("a raw body that is not UTF-8 is shown as base64")
    func rawBytes() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let answer = try await server.push(sender.url, [0xFF, 0x00])
            let delivery = try await sender.delivery(answer.deliveryID)
            #expect(delivery["body_encoding"] == "base64")
            #expect(delivery["body"] == "/wA=")
        }
    }

    @Test(
        "a label of 400 kB of combining marks is taken, cut and flagged",
        arguments: ["\u{301}", "\u{E0FF}"]
    )
    func combiningMarks(mark: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let bomb = "e" + String(repeating: mark, count: 400_000 / mark.utf8.count)
            let body = ARMS.body([.init("a", labels: [("alertname", "Bomb"), ("bomb", bomb)])])
            let answer = try await server.push(sender.url, body)
            #expect(answer.status == 200)
            let alert = try #require(try await sender.alerts().first)
            let kept = try #require(alert["labels"]?["bomb"]?.string)
            #expect((2_000...2_048).contains(kept.utf8.count))
            let trace = try await sender.delivery(answer.deliveryID)["results"]?[0]?["trace"]?.array ?? []
            #expect(
                trace.contains { $0["step"] == "decode" && $0["detail"]?.string?.contains("cut") == true }
            )
        }
    }

    @Test("the answer and the delivery carry the request id that the sender gave")
    func requestID() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let headers = [("X-Request-Id", "mine-1")]
            let answer = try await server.push(sender.url, Sender.body, headers: headers)
            #expect(answer.header("X-Request-Id") == "mine-1")
            #expect(answer.json["request_id"] == "mine-1")
        }
    }
}
