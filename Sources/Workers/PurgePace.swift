/// How many rows one transaction of a purger may touch, and how long it rests after it, so that pushes hardly wait for it.
///
/// - Rule: a batch grows and shrinks so that it keeps the writer for about `workGoal`. Why: a push that comes then waits for it.
/// - Rule: after a batch comes a pause of `pauseFactor` times what it took, waiting for the writer included. Why: when the writer or the disk
///   is slow or has much to do, purging takes a fixed share of them and no more.
struct PurgePace {
    private static let workGoal = Duration.microseconds(300)
    private static let pauseFactor = 8
    private static let pauses = Duration.milliseconds(5)...Duration.seconds(1)
    private static let limits = 10...200

    /// Of the next batch.
    private(set) var limit = Self.limits.upperBound / 2

    /// The pause after a batch that kept the writer busy for `work` and took `duration` in all.
    mutating func pause(after work: Duration, in duration: Duration) -> Duration {
        let next = work > Self.workGoal ? limit / 2 : work < Self.workGoal / 2 ? limit + limit / 4 : limit
        limit = min(max(next, Self.limits.lowerBound), Self.limits.upperBound)
        return min(max(duration * Self.pauseFactor, Self.pauses.lowerBound), Self.pauses.upperBound)
    }
}
