import Domain
import Native
import SQL
import Storage
import TestDatabases
import Testing

@Suite("API keys, accounts and push URLs", .within(minutes: 2))
struct CredentialStoreTests {
    // MARK: API keys

    @Test("a key authenticates until it expires, is deleted, or its account is suspended or deleted")
    func authentication() async throws {
        try await TestInstallation.with { test in
            let (account, keys, actor) = (try await test.account(), test.store.apiKeys, test.actor)
            let day: Int64 = 86_400
            let short = try await test.key("short", in: account, expiresAt: test.now.adding(seconds: day))
            let long = try await test.key("long", in: account)
            let found = try #require(try await keys.authenticate(short.secret))
            #expect(found.key.id == short.key.id && found.key.owner == .account(account, .viewer))
            var forged = SecureRandom()
            #expect(try await keys.authenticate(APIKeySecret(kind: .account, random: &forged)) == nil)
            test.advance(seconds: day)
            #expect(try await keys.authenticate(short.secret) == nil)
            #expect(try await keys.authenticate(long.secret) != nil)

            let suspended = AccountStore.Patch.status(.suspended)
            _ = try await test.store.accounts.update(account, suspended, if: .none, by: actor)
            #expect(try await keys.authenticate(long.secret) == nil)
            _ = try await test.store.accounts.update(account, .status(.active), if: .none, by: actor)
            #expect(try await keys.authenticate(long.secret) != nil)

            let doomed = try await test.key("doomed", in: account)
            try await keys.delete(doomed.key.id, if: .none, in: account, by: actor)
            #expect(try await keys.authenticate(doomed.secret) == nil)
            try await test.store.accounts.delete(account, if: .none, by: actor)
            #expect(try await keys.authenticate(long.secret) == nil)
        }
    }

    @Test("a public id with another key's secret does not authenticate")
    func wrongSecret() async throws {
        try await TestInstallation.with { test in
            let key = try await test.key("a", in: try await test.account())
            var bytes = key.secret.bytes
            bytes[20] = bytes[20] == 0x30 ? 0x31 : 0x30
            let text = Array(bytes[..<46])
            let forged = try #require(APIKeySecret(text + CRC32.digits(text)))
            #expect(forged.publicID == key.secret.publicID)
            #expect(try await test.store.apiKeys.authenticate(forged) == nil)
        }
    }

    @Test("a rotated key has two secrets, and never a third; ending one by holding it leaves the other")
    func rotation() async throws {
        try await TestInstallation.with { test in
            let (account, keys, actor) = (try await test.account(), test.store.apiKeys, test.actor)
            let first = try await test.key("k", in: account)
            let rotation = APIKeyStore.Rotation(overlapSeconds: 60)
            let second = try await keys.rotate(first.key.id, rotation, in: account, by: actor)
            #expect(second.key.previousSecretEndsAt == test.now.adding(seconds: 60))
            for secret in [first.secret, second.secret] {
                let found = try #require(try await keys.authenticate(secret))
                #expect(found.key.id == first.key.id && found.key.previousSecretEndsAt != nil)
            }
            let third = try await keys.rotate(first.key.id, rotation, in: account, by: actor)
            #expect(try await keys.authenticate(first.secret) == nil)
            #expect(try await keys.authenticate(second.secret) != nil)
            for _ in 0..<2 { try await test.end(.apiKey(second.secret)) }
            #expect(try await keys.authenticate(second.secret) == nil)
            #expect(try await keys.authenticate(third.secret)?.key.metadata.version == Version(4))
            let fourth = try await keys.rotate(first.key.id, rotation, in: account, by: actor)
            test.advance(seconds: 60)
            #expect(try await keys.authenticate(third.secret) == nil)
            try await test.end(.apiKey(third.secret))
            #expect(try await keys.authenticate(fourth.secret) != nil)
            try await test.end(.apiKey(fourth.secret))
            await #expect(throws: StoreError.notFound) { try await keys.find(first.key.id, in: account) }
        }
    }

    @Test(
        "a push URL is ended by its token, once, and not by one of another installation or a deleted account"
    )
    func endedPushURL() async throws {
        try await TestInstallation.with { test in
            let (account, integration, _) = try await test.sharedIntegration()
            let draft = PushURLStore.Draft(description: "", expiresAt: nil, externalID: nil, labels: Labels())
            let issued = try await test.store.pushURLs.insert(
                draft,
                for: integration,
                in: account,
                by: test.actor
            )
            let credential = try #require(Credential.found(in: Array(issued.addresses.url.utf8)).first)
            let id = issued.pushURL.pushURL.id
            let records = try await test.count("audit", account)
            for _ in 0..<2 { try await test.end(credential) }
            let ended = try await test.store.pushURLs.find(id, of: integration, in: account)
            #expect(ended.pushURL.revokedAt == test.now && ended.pushURL.metadata.version == Version(2))
            #expect(try await test.count("audit", account) == records + 1)
            try await test.store.accounts.delete(account, if: .none, by: test.actor)
            try await test.end(credential)
        }
    }

    @Test("who calls may be given only what its own key covers, whoever asks the store")
    func beyondCaller() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let holder = try await test.key("viewer", in: account).key
            let actor = Actor(key: holder.id, role: "viewer", requestID: "r", holder: holder)
            let draft = APIKeyStore.Draft(
                name: Name(trusted: "x"),
                expiresAt: nil,
                externalID: nil,
                labels: Labels()
            )
            for owner in [APIKey.Owner.account(account, .editor), .account(account, .viewer)] {
                let result = await Result {
                    try await test.store.apiKeys.insert(draft, for: owner, by: actor)
                }
                switch result {
                case .success: #expect(owner.role == .viewer)
                case .failure(let error as StoreError):
                    guard case .beyondCaller = error else { throw error }
                    #expect(owner.role == .editor)
                case .failure(let error): throw error
                }
            }
        }
    }

    @Test("a key lives at most two years and ends in the future", arguments: [-1, 0, 731 * 86_400])
    func badExpiry(seconds: Int64) async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            await #expect {
                try await test.key("k", in: account, expiresAt: test.now.adding(seconds: seconds))
            } throws: { error in
                guard case .invalid(let errors) = error as? StoreError else { return false }
                return errors.items.map(\.pointer) == ["/expires_at"]
            }
        }
    }

    @Test("the last active operator key can't be deleted; a reset adds one and keeps the others")
    func lastOperatorKey() async throws {
        try await TestInstallation.with { test in
            let (keys, actor) = (test.store.apiKeys, test.actor)
            let draft = APIKeyStore.Draft(
                name: Name(trusted: "first"),
                expiresAt: test.now.adding(seconds: 60),
                externalID: nil,
                labels: Labels()
            )
            let first = try await keys.insert(draft, for: .operator, by: actor)
            await #expect(throws: StoreError.lastOperatorKey) {
                try await keys.delete(first.key.id, if: .none, in: .installation, by: actor)
            }
            let second = try await keys.replaceOperatorKeys(by: actor)
            #expect(second.key.name.text.string.hasPrefix("reset 20"))
            #expect(try await keys.authenticate(first.secret)?.key.owner == .operator)
            #expect(try await keys.authenticate(second.secret)?.key.owner == .operator)
            test.advance(seconds: 60)
            await #expect(throws: StoreError.lastOperatorKey) {
                try await keys.delete(second.key.id, if: .none, in: .installation, by: actor)
            }
            try await keys.delete(first.key.id, if: .none, in: .installation, by: actor)
            let page = try await keys.list(
                PageRequest(limit: 10, before: nil),
                filter: ConfigurationFilter(),
                in: .installation
            )
            #expect(page.items.map(\.id) == [second.key.id])
        }
    }

    // MARK: Accounts

    @Test("a deleted account is gone at once, for reads, writes and pushes, and purged in batches")
    func deletedAccount() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let survivor = try await test.sharedIntegration()
            _ = try await test.route(to: [channel], of: integration, in: account)
            _ = try await test.key("k", in: account)
            let (accounts, actor) = (test.store.accounts, test.actor)
            let id = try await accounts.find(account).id
            #expect(try await test.store.snapshots.snapshot(of: account, now: test.now) != nil)
            try await accounts.delete(account, if: .none, by: actor)
            #expect(try await test.store.snapshots.snapshot(of: account, now: test.now) == nil)
            await #expect(throws: StoreError.notFound) { try await accounts.find(id) }
            await #expect(throws: StoreError.notFound) { try await test.channel("late", in: account) }
            await #expect(throws: StoreError.notFound) { try await test.key("late", in: account) }
            let page = try await accounts.list(
                PageRequest(limit: 10, before: nil),
                filter: ConfigurationFilter()
            )
            #expect(page.items.map(\.number) == [survivor.account])

            var batches = 0
            while try await !test.store.deletions.purge(limit: 2).isIdle { batches += 1 }
            #expect(batches > 3)
            for table in Schema.tenantTables {
                #expect(try await test.count(table, account) == 0, "\(table)")
            }
            #expect(try await test.count("accounts", account) == 1)
            #expect(try await test.count("push_urls", survivor.account) == 1)
        }
    }

    @Test("an account's creation and deletion are recorded in it and in the installation's record")
    func auditOfAccounts() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            _ = try await test.store.accounts.update(account, .status(.suspended), if: .none, by: test.actor)
            try await test.store.accounts.delete(account, if: .none, by: test.actor)
            #expect(try await test.count("audit", account) == 3)
            #expect(try await test.count("audit", .installation) == 2)
        }
    }

    // MARK: Push URLs

    @Test("the token in a push URL verifies, names its integration, and reads the same when it is revealed")
    func tokens() async throws {
        try await TestInstallation.with { test in
            let (account, integration, _) = try await test.sharedIntegration()
            let expiresAt = test.now.adding(seconds: 10 * 86_400)
            let draft = PushURLStore.Draft(
                description: "d",
                expiresAt: expiresAt,
                externalID: nil,
                labels: Labels()
            )
            let issued = try await test.store.pushURLs.insert(
                draft,
                for: integration,
                in: account,
                by: test.actor
            )
            let token = try #require(PushToken(issued.addresses.url.utf8.suffix(PushToken.length)))
            #expect(test.store.pushTokenKeys.verify(token) && token.account == account)
            #expect(token.expiryDay == ExpiryDay.of(expiresAt))
            #expect(issued.pushURL.maskedToken == "tpu_..." + issued.addresses.url.suffix(4))
            let id = issued.pushURL.pushURL.id
            let revealed = try await test.store.pushURLs.reveal(
                id,
                of: integration,
                in: account,
                by: test.actor
            )
            #expect(
                revealed.url == issued.addresses.url
                    && revealed.compatibleURL == issued.addresses.compatibleURL
            )
            let compatible = try #require(revealed.compatibleURL)
            #expect(
                compatible.hasPrefix("https://alerts.example.com/event/push/alert/test?integration_key=tpu_")
            )
            let snapshot = try await test.snapshot(of: account)
            let found = try #require(
                snapshot.integrations[token.integration]?.admission(of: token, at: test.now)
            )
            #expect(found.credential.id == id && found.refusal == nil)
        }
    }

    @Test("a revoked push URL is refused by the next snapshot, stays listed, and can't be revealed")
    func revocation() async throws {
        try await TestInstallation.with { test in
            let (account, integration, _) = try await test.sharedIntegration()
            let pushURLs = test.store.pushURLs
            let page = try await pushURLs.list(
                PageRequest(limit: 10, before: nil),
                filter: ConfigurationFilter(),
                of: integration,
                in: account
            )
            let id = try #require(page.items.first?.pushURL.id)
            let url = try await pushURLs.reveal(id, of: integration, in: account, by: test.actor).url
            let token = try #require(PushToken(url.utf8.suffix(PushToken.length)))
            let before = try await test.snapshot(of: account)
            #expect(
                before.integrations[token.integration]?.admission(of: token, at: test.now)?.refusal == nil
            )
            for _ in 0..<2 {
                try await pushURLs.revoke(id, if: .none, of: integration, in: account, by: test.actor)
            }
            // A shared database's is loaded again at once.
            let cached = test.store.snapshots.cached(account)?.revision
            #expect(cached.map { $0 > before.revision } ?? true)
            let after = try await test.snapshot(of: account)
            #expect(
                after.integrations[token.integration]?.admission(of: token, at: test.now)?.refusal == .revoked
            )
            let found = try await pushURLs.find(id, of: integration, in: account)
            #expect(
                found.pushURL.status(at: test.now) == "revoked"
                    && found.pushURL.metadata.version == Version(2)
            )
            await #expect(throws: StoreError.revoked) {
                try await pushURLs.reveal(id, of: integration, in: account, by: test.actor)
            }
        }
    }

    @Test("a push URL's end only moves earlier; its token stays the same")
    func earlierExpiry() async throws {
        try await TestInstallation.with { test in
            let (account, integration, _) = try await test.sharedIntegration()
            let pushURLs = test.store.pushURLs
            let draft = PushURLStore.Draft(description: "", expiresAt: nil, externalID: nil, labels: Labels())
            let issued = try await pushURLs.insert(draft, for: integration, in: account, by: test.actor)
            let id = issued.pushURL.pushURL.id
            func expire(_ seconds: Int64) async throws -> MaskedPushURL {
                let patch = PushURLStore.Patch(
                    description: nil,
                    expiresAt: test.now.adding(seconds: seconds),
                    externalID: .keep,
                    labels: nil
                )
                return try await pushURLs.update(
                    id,
                    patch,
                    if: .none,
                    of: integration,
                    in: account,
                    by: test.actor
                )
            }
            let first = try await expire(1_000)
            #expect(
                first.pushURL.status(at: test.now) == "active"
                    && first.maskedToken == issued.pushURL.maskedToken
            )
            await #expect(throws: StoreError.self) { try await expire(1_000) }
            await #expect(throws: StoreError.self) { try await expire(2_000) }
            #expect(try await expire(-5).pushURL.status(at: test.now) == "expired")
        }
    }
}

extension TestInstallation {
    fileprivate func end(_ credential: Credential) async throws {
        try await store.credentials.end(credential, requestID: "r", from: nil, isDryRun: false)
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

extension AccountStore.Patch {
    fileprivate static func status(_ status: Account.Status) -> Self {
        Self(name: nil, externalID: .keep, labels: nil, status: status, storedBytesLimit: nil)
    }
}
