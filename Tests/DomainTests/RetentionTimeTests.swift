import Domain
import Testing

@Suite("The time by which retention counts")
struct RetentionTimeTests {
    private static let day: Int64 = 86_400
    private let start = UnixTime(milliseconds: 1_795_161_600_000)
    private let instant = ContinuousClock.now

    @Test(
        "follows a clock that goes on, is set a little, or went back",
        arguments: [0, 3_600, -3_600, -400 * day]
    )
    func follows(shift: Int64) {
        var time = RetentionTime(known: start, at: instant)
        let wall = start.adding(seconds: 60 + shift)
        #expect(time.read(wall, at: instant + .seconds(60)) == .init(time: wall, doubt: nil))
    }

    @Test("goes on as before when the clock jumps ahead, and believes it after a day")
    func jumps() {
        var time = RetentionTime(known: start, at: instant)
        func reading(after seconds: Int64) -> RetentionTime.Reading {
            time.read(start.adding(seconds: seconds + 400 * Self.day), at: instant + .seconds(seconds))
        }
        let doubt: Int64 = 400 * Self.day
        #expect(reading(after: 60) == .init(time: start.adding(seconds: 60), doubt: doubt))
        #expect(reading(after: Self.day) == .init(time: start.adding(seconds: Self.day), doubt: doubt))
        let believed = start.adding(seconds: 401 * Self.day + 61)
        #expect(reading(after: Self.day + 61) == .init(time: believed, doubt: nil))
    }

    @Test("a jump that was taken back is forgotten: the next one waits for a day again")
    func forgets() {
        var time = RetentionTime(known: start, at: instant)
        let jump = 2 * Self.day
        #expect(time.read(start.adding(seconds: jump), at: instant).doubt == jump)
        let later = start.adding(seconds: Self.day - 60)
        #expect(time.read(later, at: instant + .seconds(Self.day - 60)).doubt == nil)
        let again = start.adding(seconds: jump + Self.day)
        let reading = time.read(again, at: instant + .seconds(Self.day))
        #expect(reading.time == start.adding(seconds: Self.day))
    }
}
