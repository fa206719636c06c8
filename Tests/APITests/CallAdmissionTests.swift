import App
import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import Native
import Storage
import TestDatabases
import TestSupport
import Testing
import Web

@Suite("What calls may hold", .timeLimit(.minutes(10)))
struct CallAdmissionTests {
    private static let one = AccountNumber(1)
    private static let other = AccountNumber(2)

    // MARK: Bytes

    @Test("an account's bytes end at its share, all together at the whole, and come back")
    func budget() {
        let budget = ByteBudget(bytes: 100, share: 60)
        #expect(budget.shortage(taking: 60, for: Self.one) == nil)
        #expect(budget.shortage(taking: 1, for: Self.one) == .share(60))
        #expect(budget.shortage(taking: 41, for: Self.other) == .total)
        #expect(budget.take(40, for: Self.other))
        budget.giveBack(60, of: Self.one)
        #expect(budget.taken(by: Self.one) == 0)
        #expect(budget.shortage(taking: 60, for: Self.one) == nil)
        budget.force(100, for: Self.one)
        #expect(budget.shortage(taking: 1, for: Self.other) == .total)
        budget.giveBack(160, of: Self.one)
        #expect(budget.shortage(taking: 20, for: Self.other) == nil)
    }

    private func request(_ parts: [Int], announced: Int? = nil) -> Request {
        let stream = AsyncStream<ByteBuffer> { stream in
            for part in parts { stream.yield(ByteBuffer(repeating: 0x20, count: part)) }
            stream.finish()
        }
        var fields = HTTPFields()
        if let announced { fields[.contentLength] = "\(announced)" }
        return Request(
            head: HTTPRequest(method: .put, scheme: nil, authority: nil, path: "/", headerFields: fields),
            body: RequestBody(asyncSequence: stream)
        )
    }

    @Test("a body is held as it comes, beyond the share it is 429, and what was held is given back")
    func held() async throws {
        let budget = ByteBudget(bytes: 1 << 20, share: 64 << 10)
        let memory = CallMemory()
        memory.begin(budget, for: Self.one)
        let body = try await memory.body(of: request([10_000, 10_000, 500], announced: 20_500), upTo: 30_000)
        #expect(body.count == 20_500)
        #expect((20_500..<41_000).contains(budget.taken(by: Self.one)))
        let second = CallMemory()
        second.begin(budget, for: Self.one)
        let problem = await #expect(throws: Problem.self) {
            try await second.body(of: request(Array(repeating: 8_000, count: 20)), upTo: 1 << 20)
        }
        #expect(problem?.code == .rateLimited)
        #expect(problem?.exceeded?.bucket == "call-bytes")
        #expect(problem?.headers[.retryAfter] == "1")
        second.release()
        memory.release()
        #expect(budget.taken(by: Self.one) == 0)
    }

    @Test("a body over the limit of its operation is 413, announced or not")
    func tooLarge() async throws {
        let memory = CallMemory()
        for request in [request([], announced: 1_001), request([600, 600])] {
            let problem = await #expect(throws: Problem.self) {
                try await memory.body(of: request, upTo: 1_000)
            }
            #expect(problem?.code == .tooLarge)
        }
        #expect(try await memory.body(of: request([1_000]), upTo: 1_000).count == 1_000)
    }

    @Test("most operations take 1 MiB, a configuration document more")
    func limits() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let json = [("Content-Type", "application/json")]
            let most = Array("{\"name\":\"a\"}".utf8)
            let fitting = most + Array(repeating: UInt8(0x20), count: (1 << 20) - most.count)
            let create = try server.spec.operation("createChannel")
            let taken = try await server.callRaw(
                create,
                path,
                headers: json,
                body: fitting,
                key: people.alice
            )
            #expect(taken.status == 201)
            let refused = try await server.callRaw(
                create,
                path,
                headers: json,
                body: fitting + [0x20],
                key: people.alice
            )
            #expect(refused.status == 413)
            #expect(refused.json["detail"]?.string?.contains("1048576") == true)
            let document = Array("{".utf8) + fitting + fitting
            let put = try server.spec.operation("putConfiguration")
            let read = try await server.callRaw(put, path, headers: json, body: document, key: people.alice)
            #expect(read.status == 400)
        }
    }

    // MARK: Turns

    @Test("some calls of an account run at once, some wait in order, more are 429; others are not concerned")
    func turns() async throws {
        var bounds = CallTurns.Bounds()
        (bounds.running, bounds.waiting) = (2, 3)
        let turns = CallTurns(bounds: bounds)
        let (order, began) = (Lock<[Int]>([]), Lock(0))
        let gate = Lock(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<5 {
                group.addTask {
                    try await turns.run(of: Self.one) {
                        order.withLock { $0.append(number) }
                        while !gate.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
                    }
                }
                // In their order: each runs or waits before the next one comes.
                let wanted = number
                while turns.count(of: Self.one) <= wanted { try await Task.sleep(for: .milliseconds(1)) }
            }
            #expect(order.withLock { $0.count } == 2)
            let problem = await #expect(throws: Problem.self) { try await turns.run(of: Self.one) {} }
            #expect(problem?.code == .rateLimited && problem?.exceeded?.bucket == "concurrent-calls")
            #expect(throws: Problem.self) { try turns.check(Self.one) }
            try turns.check(Self.other)
            try await turns.run(of: Self.other) { began.withLock { $0 += 1 } }
            gate.withLock { $0 = true }
            try await group.waitForAll()
        }
        #expect(Array(order.withLock { $0 }.suffix(3)).sorted() == [2, 3, 4])
        #expect(turns.count(of: Self.one) == 0)
        try await turns.run(of: Self.one) {}
    }

    @Test("a call that throws gives its turn back")
    func throwing() async throws {
        var bounds = CallTurns.Bounds()
        (bounds.running, bounds.waiting) = (1, 0)
        let turns = CallTurns(bounds: bounds)
        for _ in 0..<3 {
            await #expect(throws: CancellationError.self) {
                try await turns.run(of: Self.one) { throw CancellationError() }
            }
        }
    }

    // MARK: Crashes

    @Test(
        "a call that crashed the process twice is 503 for that account, and that alone",
        .enabled(if: TestEngine.general == .sqlite, "the second server would have another database")
    )
    func crashed() async throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-call-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let server = try await Crashed.prepare(folder)
        try await TestServer.with(folder: folder) { again in
            for (operation, account, key, status) in server.calls {
                let answer = try await again.call(operation, ["account_id": account], key: key)
                #expect(answer.status == status, "\(operation) \(answer.text)")
            }
        }
    }

    @Test("a crash on a thread that works for a call is noted under the call")
    func noted() async throws {
        let path =
            FileManager.default.temporaryDirectory.path + "/tocsin-call-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        await #expect(processExitsWith: .failure) { [path = path as String] in
            _ = try CrashGuard(armedAt: path)
            let work = WorkPool()
            try await CallAdmission.noting(7) {
                try await work.run(.calls, of: AccountNumber(1)) {
                    CrashGuard.during(9) {}
                    preconditionFailure("a trap, as a bug of ours would be")
                }
            }
        }
        #expect(try PrivateFile.read(path) == [7, 0, 0, 0, 0, 0, 0, 0])
    }
}

/// A data directory whose notes say that a call crashed the process twice.
private struct Crashed {
    let calls: [(operation: String, account: String, key: String, status: Int)]

    static func prepare(_ folder: String) async throws -> Crashed {
        let crashed = try await TestServer.with(folder: folder) { server in
            let people = try await People(server)
            let id = try #require(AccountID(people.account))
            let account = try await server.store.accounts.find(id).number
            let mark = CallAdmission.mark(
                of: "GET /v1/accounts/{account_id}/channels",
                on: account,
                version: Build.identity
            )
            let note = (0..<8).map { UInt8(truncatingIfNeeded: mark >> UInt64(8 * $0)) }
            return (
                note,
                Crashed(calls: [
                    ("listChannels", people.account, people.bob, 503),
                    ("listChannels", people.account, people.olga, 503),
                    ("listChannels", people.otherAccount, people.charlie, 200),
                    ("listIntegrations", people.account, people.bob, 200),
                ])
            )
        }
        PrivateFile.remove(folder + "/crashes")
        try PrivateFile.create(folder + "/crashes", crashed.0 + crashed.0)
        return crashed.1
    }
}
