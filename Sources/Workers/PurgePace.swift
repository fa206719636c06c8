/// How many rows one transaction of a purger may touch, and how long it rests after it, so that pushes hardly wait for it.
///
/// - Rule: a batch grows and shrinks so that it keeps the writer for about `workGoal`. Why: a push that comes then waits for it.
/// - Rule: after a batch comes a pause of `pauseFactor` times what it took, waiting for the writer included. Why: when the writer or the disk
///   is slow or has much to do, purging takes a fixed share of them and no more.
struct PurgePace {
    private static let pauseFactor = 8
    private static let pauses = Duration.milliseconds(5)...Duration.seconds(1)
    private static let limits = 10...200

    private let workGoal: Duration
    /// Of the next batch.
    private(set) var limit = Self.limits.upperBound / 2

    /// `workGoal`: for how long a batch may keep the writer. What has to keep up with what comes needs more of it than what only has to end.
    init(workGoal: Duration) {
        self.workGoal = workGoal
    }

    /// The pause after a batch that kept the writer busy for `work` and took `duration` in all.
    mutating func pause(after work: Duration, in duration: Duration) -> Duration {
        let next = work > workGoal ? limit / 2 : work < workGoal / 2 ? limit + limit / 4 : limit
        limit = min(max(next, Self.limits.lowerBound), Self.limits.upperBound)
        return min(max(duration * Self.pauseFactor, Self.pauses.lowerBound), Self.pauses.upperBound)
    }
}
