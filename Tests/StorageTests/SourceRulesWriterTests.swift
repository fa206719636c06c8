import Domain
import Storage
import Testing

@Suite("Source rules that changed while a push waited")
struct SourceRulesWriterTests {
    private static let rules = SourceRules(cidrs: ["10.0.0.0/8"], pinnedLabels: Labels([("user", "7")]))

    /// A push of one event to `source`, from an address and with a label, as the configuration of now says.
    private static func push(
        _ test: TestInstallation,
        _ source: FaultScene.Source,
        from address: Text?,
        user: Text,
        replaying replay: PreparedPush.Replay? = nil
    ) async throws -> PreparedPush {
        let snapshot = try await test.snapshot(of: source.account)
        let match = snapshot.integrations.values.first { $0.id == source.integration }
        let integration = try #require(match)
        let event = DecodedEvent(
            alertKey: "k",
            title: "Disk full",
            description: "",
            labels: Labels([("user", user)]),
            annotations: Labels(),
            isRecovery: false,
            startsAt: nil,
            endsAt: nil,
            severityCandidates: []
        )
        let vocabulary = TestFormat().severities
        let prepared = PreparedEvent(
            event,
            integration: integration,
            account: snapshot,
            vocabulary: vocabulary,
            known: KnownContents()
        )
        return PreparedPush(
            account: snapshot,
            integration: integration,
            credential: replay == nil ? integration.credentials.first?.id : nil,
            vocabulary: vocabulary,
            receivedAt: test.now,
            contentType: nil,
            remoteAddress: address,
            body: Array("firing k".utf8),
            content: .events([prepared]),
            replay: replay
        )
    }

    private static func source(_ test: TestInstallation) async throws -> FaultScene.Source {
        let (account, integration, _) = try await test.sharedIntegration()
        return FaultScene.Source(account: account, integration: integration)
    }

    @Test(
        "the writer asks the new ones",
        arguments: [
            ("10.0.0.1", "7", nil), ("11.0.0.1", "7", .sourceAddress), (nil, "7", .sourceAddress),
            ("10.0.0.1", "8", .pinnedLabel), ("11.0.0.1", "8", .sourceAddress),
        ] as [(Text?, Text, Quarantine?)]
    )
    func asked(address: Text?, user: Text, quarantine: Quarantine?) async throws {
        try await TestInstallation.with { test in
            let source = try await Self.source(test)
            let (commit, _) = FaultScene.commit(test, patience: .seconds(30))
            let push = try await Self.push(test, source, from: address, user: user)
            try await test.setSource(Self.rules, of: source.integration, in: source.account)
            let stored = try await commit.store(push, arrival: .now)
            #expect(stored.quarantine == quarantine)
            #expect(stored.applied == (quarantine == nil ? 1 : 0))
            let detail = try await test.store.deliveries.find(stored.deliveryID, in: source.account)
            #expect(detail.delivery.disposition == (quarantine == nil ? .accepted : .quarantined))
            #expect(detail.delivery.reason == quarantine.map { Text($0.reason) })
            #expect(detail.delivery.remoteAddress == address)
            #expect(detail.body == Array("firing k".utf8))
            #expect(detail.results.count == (quarantine == nil ? 1 : 0))
            #expect(try await test.count("alerts", source.account) == (quarantine == nil ? 1 : 0))
        }
    }

    @Test("a replay that waits is not asked")
    func replay() async throws {
        try await TestInstallation.with { test in
            let source = try await Self.source(test)
            let (commit, _) = FaultScene.commit(test, patience: .seconds(30))
            try await test.setSource(Self.rules, of: source.integration, in: source.account)
            let old = try await Self.push(test, source, from: "10.0.0.1", user: "8")
            try await test.setSource(SourceRules(), of: source.integration, in: source.account)
            try await test.setSource(Self.rules, of: source.integration, in: source.account)
            let kept = try await commit.store(old, arrival: .now)
            #expect(kept.quarantine == .pinnedLabel)
            let replay = PreparedPush.Replay(deliveryID: kept.deliveryID, earlier: [])
            let push = try await Self.push(test, source, from: "11.0.0.1", user: "8", replaying: replay)
            try await test.setSource(Self.rules, of: source.integration, in: source.account)
            #expect(try await commit.store(push, arrival: .now).applied == 1)
            let detail = try await test.store.deliveries.find(kept.deliveryID, in: source.account)
            #expect(detail.delivery.disposition == .accepted)
        }
    }

    @Test("they are kept through other changes of the integration, and read as they were written")
    func kept() async throws {
        try await TestInstallation.with { test in
            let source = try await Self.source(test)
            let rules = SourceRules(
                cidrs: ["10.1.2.3/8", "::FFFF:10.0.0.1", "2001:db8::/32"],
                pinnedLabels: Labels([("b", "\"\\ 容"), ("a", "1")])
            )
            try await test.setSource(rules, of: source.integration, in: source.account)
            let (integrations, actor) = (test.store.integrations, test.actor)
            _ = try await integrations.update(
                source.integration,
                .describing("other"),
                if: .none,
                in: source.account,
                by: actor
            )
            let found = try await integrations.find(source.integration, in: source.account).integration
            #expect(found.source == rules)
            #expect(found.description == "other")
        }
    }
}

extension TestInstallation {
    /// Sets the source rules of an integration.
    fileprivate func setSource(
        _ rules: SourceRules,
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws {
        let patch = IntegrationStore.Patch(
            name: nil,
            description: nil,
            channel: nil,
            defaults: nil,
            status: nil,
            rateLimit: nil,
            sourceCIDRs: rules.cidrs,
            pinnedLabels: rules.pinnedLabels,
            externalID: .keep,
            labels: nil
        )
        _ = try await store.integrations.update(integration, patch, if: .none, in: account, by: actor)
    }
}
