import Domain
import SQL
import Storage
import TestDatabases
import Testing

/// Fails every call to the database, and every shape of call in every way, while a batch of pushes is
/// written.
@Suite("Faults while pushes are written")
struct PushFaultTests {
    private typealias Results = [Result<StoredPush, PushFailure>]

    /// What a batch comes to without a fault.
    private struct Reference: Sendable {
        let calls: [Faults.Shape]
        let before: [String]
        /// Masked.
        let after: [String]
        let results: Results
    }

    /// What a batch came to with one.
    private struct Trial {
        let test: TestInstallation
        let commit: GroupCommit
        let pushes: [PreparedPush]
        let results: Results
        let calls: [Faults.Shape]
        let failStops: Int

        var isUnavailable: Bool { results.allSatisfy { $0.failure == .storeUnavailable } }
    }

    /// Every shape of call fails as `kinds`, at each timing that makes a difference to it, and once as one of
    /// `more`.
    private static func faults(
        in calls: [Faults.Shape],
        as kinds: [SQLError.Kind],
        more: [SQLError.Kind] = []
    ) -> [Faults.Fault] {
        calls.faults { call, number in
            let hasParts = call == .batch || call == .read
            let timings = Faults.Timing.allCases.filter { hasParts || $0 != .partly }
            let ways = kinds.flatMap { kind in timings.map { Faults.Way(kind: kind, timing: $0) } }
            guard !more.isEmpty else { return ways }
            let kind = call == .commit || call == .maintain ? more[0] : more[number % more.count]
            return ways + [Faults.Way(kind: kind, timing: .before)]
        }
    }

    private static func run<Result>(
        _ sent: [FaultScene.Sent],
        on template: StorePlace,
        _ fault: Faults.Fault? = nil,
        poison: Text? = nil,
        _ body: (Trial) async throws -> Result
    ) async throws -> Result {
        let faults = Faults()
        return try await TestInstallation.with(copyOf: template, faults: faults) { test in
            let (commit, failStops) = FaultScene.commit(test)
            var pushes: [PreparedPush] = []
            for sent in sent { pushes.append(try await sent.push(test)) }
            faults.arm(fault, poison: poison)
            let results = await commit.storeTogether(pushes, in: test.database)
            let calls = faults.disarm()
            return try await body(
                Trial(
                    test: test,
                    commit: commit,
                    pushes: pushes,
                    results: results,
                    calls: calls,
                    failStops: failStops.withLock { $0 }
                )
            )
        }
    }

    private static func reference(
        _ sent: [FaultScene.Sent],
        on template: StorePlace,
        poison: Text? = nil
    ) async throws -> Reference {
        try await run(sent, on: template, poison: poison) { trial in
            Reference(
                calls: trial.calls,
                before: try StoreContents.rows(on: template.inspector(), masked: false),
                after: try StoreContents.rows(on: trial.test.place.inspector(), masked: true),
                results: trial.results
            )
        }
    }

    @Test("a batch is stored whole or not at all, whichever call fails, and the next one works")
    func everyCall() async throws {
        let (template, scene) = try await TestInstallation.template { try await FaultScene(in: $0) }
        defer { template.remove() }
        let sent = scene.everything
        let reference = try await Self.reference(sent, on: template)
        #expect(
            reference.results.map(\.failure) == sent.map { $0.mark == "over" ? .storedBytesLimit : nil }
        )
        let calls = reference.calls.map(\.call)
        #expect(calls.first == .begin && calls.suffix(2) == [.commit, .maintain])
        #expect(reference.calls.count > 20)
        let faults = Self.faults(
            in: reference.calls,
            as: [.inputOutput, .other],
            more: [.syncFailed, .full, .busy, .corrupt, .uniqueViolation]
        )
        try await forEachAtOnce(faults) { fault in
            try await Self.run(sent, on: template, fault) { trial in
                try Self.check(trial, fault, reference)
                try await Self.checkNext(trial, fault, reference)
            }
        }
    }

    /// Whether the batch is there as the answers say.
    private static func check(_ trial: Trial, _ fault: Faults.Fault, _ reference: Reference) throws {
        let failed = reference.calls[fault.number - 1].call
        let isStored = !trial.isUnavailable
        // Housekeeping comes after the answer; what another error than the disk's spoils before the commit is tried push by push.
        let shouldBeStored = failed == .maintain || !fault.error.isDisk && failed != .commit
        #expect(isStored == shouldBeStored, "\(fault) (\(failed))")
        #expect(trial.commit.status.isHealthy == isStored, "\(fault) (\(failed))")
        #expect((trial.failStops > 0) == (fault.kind == .syncFailed), "\(fault) (\(failed))")
        let isInDoubt = failed == .commit && fault.timing == .after
        if isStored || isInDoubt {
            let after = try StoreContents.rows(on: trial.test.place.inspector(), masked: true)
            #expect(after == reference.after, "\(fault) (\(failed))")
        } else {
            let after = try StoreContents.rows(on: trial.test.place.inspector(), masked: false)
            #expect(after == reference.before, "\(fault) (\(failed))")
        }
        if isStored {
            #expect(trial.results.map(\.failure) == reference.results.map(\.failure), "\(fault) (\(failed))")
        }
        try checkLedger(trial, fault)
    }

    /// Each push that was answered as stored has the outcomes of its answer, and all rows fit together.
    private static func checkLedger(_ trial: Trial, _ fault: Faults.Fault) throws {
        let ledger = try Ledger(of: trial.test.place)
        #expect(ledger.findings.isEmpty, "\(fault)")
        for (push, result) in zip(trial.pushes, trial.results) {
            guard let mark = push.contentType?.string, push.replay == nil else { continue }
            if case .success(let stored) = result {
                #expect(ledger.marked[mark] == stored.outcomes, "\(mark): \(fault)")
            }
        }
    }

    /// The store works on: a batch that was refused is taken when it is sent again.
    private static func checkNext(_ trial: Trial, _ fault: Faults.Fault, _ reference: Reference) async throws
    {
        let again = await trial.commit.storeTogether(trial.pushes, in: trial.test.database)
        #expect(again.map(\.failure) == reference.results.map(\.failure), "\(fault)")
        #expect(trial.commit.status.isHealthy, "\(fault)")
        #expect(try Ledger(of: trial.test.place).findings.isEmpty, "\(fault)")
        let isInDoubt = reference.calls[fault.number - 1].call == .commit && fault.timing == .after
        if trial.isUnavailable, !isInDoubt {
            let after = try StoreContents.rows(on: trial.test.place.inspector(), masked: true)
            #expect(after == reference.after, "\(fault)")
        }
    }

    @Test("of a batch with a push that the engine can't take that one alone is refused, also when more fails")
    func everyCallOneByOne() async throws {
        let (template, scene) = try await TestInstallation.template { try await FaultScene(in: $0) }
        defer { template.remove() }
        let sent = [
            FaultScene.Sent(mark: "before", source: scene.many, content: .events([.firing("a")])),
            FaultScene.Sent(mark: "poison", source: scene.many, content: .events([.firing("b")])),
            FaultScene.Sent(
                mark: "after",
                source: scene.many,
                content: .events([.firing("a", title: "Other")])
            ),
        ]
        let wanted = try await Self.reference([sent[0], sent[2]], on: template)
        let reference = try await Self.reference(sent, on: template, poison: "poison")
        #expect(reference.results.map(\.failure) == [nil, .unacceptable, nil])
        #expect(reference.after == wanted.after)
        let faults = Self.faults(in: reference.calls, as: [.syncFailed, .other])
        try await forEachAtOnce(faults) { fault in
            try await Self.run(sent, on: template, fault, poison: "poison") { trial in
                try await Self.checkOneByOne(trial, fault, reference)
            }
        }
    }

    private static func checkOneByOne(
        _ trial: Trial,
        _ fault: Faults.Fault,
        _ reference: Reference
    )
        async throws
    {
        let failed = reference.calls[fault.number - 1].call
        let isInDoubt = failed == .commit && fault.timing == .after
        let ledger = try Ledger(of: trial.test.place)
        #expect(ledger.findings.isEmpty, "\(fault) (\(failed))")
        #expect(trial.results[1].failure != nil, "\(fault) (\(failed))")
        for (push, result) in zip(trial.pushes, trial.results) where !isInDoubt {
            let mark = push.contentType?.string ?? ""
            switch result {
            case .success(let stored):
                #expect(ledger.marked[mark] == stored.outcomes, "\(mark): \(fault) (\(failed))")
            case .failure:
                #expect(ledger.marked[mark] == nil, "\(mark): \(fault) (\(failed))")
            }
        }
        if trial.isUnavailable, !isInDoubt {
            let after = try StoreContents.rows(on: trial.test.place.inspector(), masked: false)
            #expect(after == reference.before, "\(fault) (\(failed))")
        }
        if fault.error.isDisk { #expect(trial.isUnavailable == (failed != .maintain), "\(fault)") }
        #expect(trial.commit.status.isHealthy == !trial.isUnavailable, "\(fault) (\(failed))")
        #expect((trial.failStops > 0) == (fault.kind == .syncFailed), "\(fault) (\(failed))")
        let next = await trial.commit.storeTogether([trial.pushes[0]], in: trial.test.database)
        #expect(next.map(\.failure) == [nil], "\(fault) (\(failed))")
        #expect(trial.commit.status.isHealthy, "\(fault) (\(failed))")
    }

    @Test("a batch that was stored push by push shows that the store works again")
    func healthAfterOneByOne() async throws {
        let faults = Faults()
        let (template, scene) = try await TestInstallation.template { try await FaultScene(in: $0) }
        defer { template.remove() }
        try await TestInstallation.with(copyOf: template, faults: faults) { test in
            let (commit, _) = FaultScene.commit(test)
            let sent = FaultScene.Sent(mark: "a", source: scene.many, content: .events([.firing("a")]))
            let push = try await sent.push(test)
            faults.arm(Faults.Fault(number: 1, kind: .full, timing: .before))
            _ = await commit.storeTogether([push], in: test.database)
            #expect(!commit.status.isHealthy)
            faults.arm(Faults.Fault(number: 2, kind: .other, timing: .before))
            #expect(await commit.storeTogether([push], in: test.database).map(\.failure) == [nil])
            #expect(commit.status.isHealthy)
        }
    }

    @Test(
        "a disk that is really full refuses the batch, keeps nothing of it, and takes it once there is room",
        .needsSQLite("a disk of so many pages is SQLite's max_page_count")
    )
    func fullDisk() async throws {
        let (template, scene) = try await TestInstallation.template { try await FaultScene(in: $0) }
        defer { template.remove() }
        for poison in [nil, "poison"] as [Text?] {
            let faults = Faults()
            try await TestInstallation.with(copyOf: template, faults: faults) { test in
                let (commit, failStops) = FaultScene.commit(test)
                var pushes: [PreparedPush] = []
                for (mark, size) in [("a", 10), ("poison", 10), ("b", 40_000), ("c", 10)] as [(Text, Int)] {
                    let sent = FaultScene.Sent(
                        mark: mark,
                        source: scene.many,
                        content: .events([.firing(mark)]),
                        body: .noise(size)
                    )
                    pushes.append(try await sent.push(test))
                }
                let before = try StoreContents.rows(on: test.place.inspector(), masked: false)
                try await Self.limitPages(test, to: 1)
                faults.arm(poison: poison)
                let results = await commit.storeTogether(pushes, in: test.database)
                #expect(results.allSatisfy { $0.failure == .storeUnavailable }, "\(results)")
                #expect(!commit.status.isHealthy)
                #expect(try StoreContents.rows(on: test.place.inspector(), masked: false) == before)
                try await Self.limitPages(test, to: 1 << 30)
                let again = await commit.storeTogether(pushes, in: test.database)
                #expect(again.map(\.failure) == [nil, poison.map { _ in .unacceptable }, nil, nil])
                #expect(commit.status.isHealthy)
                #expect(try Ledger(of: test.place).findings.isEmpty)
                #expect(failStops.withLock { $0 } == 0)
            }
        }
    }

    /// As many pages as the database has now at least.
    private static func limitPages(_ test: TestInstallation, to count: Int) async throws {
        try await test.database.write(.platform) { try $0.execute(script: "PRAGMA max_page_count=\(count)") }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
