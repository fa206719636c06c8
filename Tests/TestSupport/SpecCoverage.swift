import Synchronization

/// Which answers of openapi.yaml the tests have seen.
///
/// - Rule: whoever calls an operation in a test records the answer; one check at the end asks for what was
///   never seen.
/// - Why: a documented status that the server never gives is a lie to its users.
/// - Otherwise: openapi.yaml grows statuses that nobody can produce.
package final class SpecCoverage: Sendable {
    /// One operation and one of its statuses.
    package struct Pair: Hashable, Sendable, Comparable, CustomStringConvertible {
        package let operationID: String
        package let status: Int

        package init(_ operationID: String, _ status: Int) {
            self.operationID = operationID
            self.status = status
        }

        /// `createChannel 201`
        package var description: String { "\(operationID) \(status)" }

        package static func < (left: Pair, right: Pair) -> Bool {
            (left.operationID, left.status) < (right.operationID, right.status)
        }
    }

    /// A documented answer that no test can produce.
    package struct Excuse: Sendable {
        package let pair: Pair
        /// Why not, for the reader.
        package let reason: String

        package init(_ operationID: String, _ status: Int, because reason: String) {
            pair = Pair(operationID, status)
            self.reason = reason
        }
    }

    /// What the tests of this process share.
    package static let shared = SpecCoverage()

    private let pairs = Mutex<Set<Pair>>([])

    package init() {}

    /// Remembers that `operationID` answered `status`.
    package func record(_ operationID: String, _ status: Int) {
        pairs.withLock { _ = $0.insert(Pair(operationID, status)) }
    }

    /// Everything recorded, sorted.
    package var seen: [Pair] {
        pairs.withLock { $0 }.sorted()
    }

    /// The documented answers that were never seen and are not excused, sorted. Common answers
    /// (`x-common-responses`) are not asked for.
    package func unseen(of spec: Spec, excusing excuses: [Excuse] = []) -> [Pair] {
        let seen = pairs.withLock { $0 }.union(excuses.map(\.pair))
        return Self.documented(by: spec).filter { !seen.contains($0) }
    }

    /// The excuses that are not needed: the answer was seen, or is not documented. Sorted.
    package func stale(_ excuses: [Excuse], of spec: Spec) -> [Pair] {
        let seen = pairs.withLock { $0 }
        let documented = Set(Self.documented(by: spec))
        return excuses.map(\.pair).filter { seen.contains($0) || !documented.contains($0) }.sorted()
    }

    /// Every operation and status of `spec`, sorted.
    package static func documented(by spec: Spec) -> [Pair] {
        spec.operations.flatMap { operation in operation.statuses.map { Pair(operation.id, $0) } }.sorted()
    }
}
