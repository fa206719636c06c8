import Domain
import Storage
import Testing

@Suite("Changes that are worked out before they are written")
struct PreparedChangeTests {
    private static func drafts(_ count: Int, to channel: ChannelID, _ mark: String) -> [RouteStore.Entry] {
        (0..<count).map { .init(id: nil, draft: .to([channel], name: Text("\(mark) \($0)"))) }
    }

    private static let answer = RecordedAnswer(status: 200, version: nil, location: nil, body: [])

    private static func replace(
        _ entries: [RouteStore.Entry],
        of integration: IntegrationID,
        in account: AccountNumber,
        _ test: TestInstallation,
        before: @escaping @Sendable () async throws -> Void = {}
    ) async throws -> RecordedAnswer {
        try await test.store.perform(Call(actor: test.actor), on: account) {
            let planned = try await test.store.routes.plan(
                entries,
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
            try await before()
            return planned
        } again: {
            $0
        } _: { _ in
            answer
        }
    }

    @Test(
        "a change of the configuration between plan and writing: the plan is made again, and nothing is lost"
    )
    func moved() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let count = Counter()
            _ = try await Self.replace(Self.drafts(3, to: channel, "a"), of: integration, in: account, test) {
                if count.next() < 3 { _ = try await test.channel(Text("other \(count.value)"), in: account) }
            }
            #expect(count.value == 3)
            #expect(try await test.count("routes", account) == 3)
            #expect(try await test.count("channels", account) == 3)
        }
    }

    @Test("a configuration that moves each time ends the call with a conflict, and nothing is written")
    func movesAlways() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let count = Counter()
            await #expect {
                _ = try await Self.replace(
                    Self.drafts(3, to: channel, "a"),
                    of: integration,
                    in: account,
                    test
                ) {
                    _ = try await test.channel(Text("other \(count.next())"), in: account)
                }
            } throws: { error in
                if case StoreError.conflict = error { true } else { false }
            }
            #expect(try await test.count("routes", account) == 0)
        }
    }

    @Test("10,000 other routes: how long the writer is held is printed; the list is whole")
    func writer() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            for mark in ["first", "second"] {
                let begin = Instants()
                _ = try await Self.replace(
                    Self.drafts(Limits.routes, to: channel, mark),
                    of: integration,
                    in: account,
                    test
                ) {
                    begin.note()
                }
                print("\(mark) 10,000 routes: the writer and its commit took \(begin.elapsed)")
            }
            #expect(try await test.count("routes", account) == Int64(Limits.routes))
            #expect(try await test.count("route_channels", account) == Int64(Limits.routes))
        }
    }
}

/// Counts calls from several tasks.
private final class Counter: Sendable {
    private let count = Lock(0)

    var value: Int { count.withLock { $0 } }

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}

/// The last moment that was noted.
private final class Instants: Sendable {
    private let last = Lock(ContinuousClock.now)

    var elapsed: Duration { last.withLock { $0.duration(to: .now) } }

    func note() { last.withLock { $0 = .now } }
}
