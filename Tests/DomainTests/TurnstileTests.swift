import Domain
import Testing

@Suite("Places that accounts share")
struct TurnstileTests {
    private let a = AccountNumber(1)
    private let b = AccountNumber(2)
    private let c = AccountNumber(3)

    @Test("an account has its share, the others have the rest")
    func shares() {
        var turnstile = Turnstile<AccountNumber, Int>(total: 3, perKey: 2, waiting: 10)
        #expect(turnstile.enter(a, 1) == .goesOn)
        #expect(turnstile.enter(a, 2) == .goesOn)
        #expect(turnstile.enter(a, 3) == .waits)
        #expect(turnstile.enter(b, 4) == .goesOn)
        #expect(turnstile.enter(c, 5) == .waits)
        // The place of b is nobody's but c's: a has all of its own.
        #expect(turnstile.leave(b) == 5)
        #expect(turnstile.leave(a) == 3)
        #expect(turnstile.leave(c) == nil)
        #expect(turnstile.counts.running == 2)
        #expect(turnstile.counts.waiting == 0)
    }

    @Test("accounts take turns, however many of one wait; those of one keep their order")
    func turns() {
        var turnstile = Turnstile<AccountNumber, Int>(total: 1, perKey: 1, waiting: 1_000)
        #expect(turnstile.enter(a, 0) == .goesOn)
        for number in 1...500 { #expect(turnstile.enter(a, number) == .waits) }
        #expect(turnstile.enter(b, 1_001) == .waits)
        #expect(turnstile.enter(b, 1_002) == .waits)
        #expect(turnstile.leave(a) == 1_001)
        #expect(turnstile.leave(b) == 1)
        #expect(turnstile.leave(a) == 1_002)
        for number in 2...500 { #expect(turnstile.leave(number == 2 ? b : a) == number) }
        #expect(turnstile.leave(a) == nil)
        #expect(turnstile.counts.running == 0)
        #expect(turnstile.counts.waiting == 0)
    }

    @Test("who is one too many of an account is sent away, and nobody else")
    func refuses() {
        var turnstile = Turnstile<AccountNumber, Int>(total: 1, perKey: 1, waiting: 2)
        #expect((0..<5).map { turnstile.enter(a, $0) } == [.goesOn, .waits, .waits, .isRefused, .isRefused])
        #expect(turnstile.enter(b, 9) == .waits)
        #expect(turnstile.leave(a) == 9)
        #expect(turnstile.counts.waiting == 2)
    }

    @Test(
        "whatever comes and goes: limits hold, nobody is forgotten, no place stays empty while one waits for it"
    )
    func model() {
        var random = SeededRandom(11)
        for _ in 0..<200 {
            let (total, share) = (
                Int.random(in: 1...5, using: &random), Int.random(in: 1...3, using: &random)
            )
            var turnstile = Turnstile<AccountNumber, AccountNumber>(total: total, perKey: share, waiting: 4)
            var running: [AccountNumber: Int] = [:]
            var waiting: [AccountNumber: Int] = [:]
            for _ in 0..<300 {
                let account = AccountNumber(UInt32.random(in: 0..<4, using: &random))
                if Bool.random(using: &random) {
                    switch turnstile.enter(account, account) {
                    case .goesOn: running[account, default: 0] += 1
                    case .waits: waiting[account, default: 0] += 1
                    case .isRefused: #expect(waiting[account] == 4)
                    }
                } else if running[account, default: 0] > 0 {
                    running[account, default: 0] -= 1
                    if let next = turnstile.leave(account) {
                        waiting[next, default: 0] -= 1
                        running[next, default: 0] += 1
                    }
                }
                let all = running.values.reduce(0, +)
                #expect(all <= total && running.values.allSatisfy { $0 <= share })
                #expect(turnstile.counts.running == all)
                #expect(turnstile.counts.waiting == waiting.values.reduce(0, +))
                let isIdle = waiting.contains { $1 > 0 && running[$0, default: 0] < share }
                #expect(!isIdle || all == total)
            }
        }
    }

    @Test("a step costs the same, however many wait")
    func cost() {
        var turnstile = Turnstile<AccountNumber, Int>(total: 1, perKey: 1, waiting: .max)
        for number in 0...200_000 { _ = turnstile.enter(number.isMultiple(of: 2) ? a : b, number) }
        let start = ContinuousClock.now
        var left = 0
        var next: Int? = 0
        while let number = next {
            next = turnstile.leave(number.isMultiple(of: 2) ? a : b)
            left += 1
        }
        #expect(left == 200_001)
        #expect(start.duration(to: .now) < .seconds(60))
    }
}
