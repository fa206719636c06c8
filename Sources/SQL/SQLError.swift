/// Why a database refused or failed.
package struct SQLError: Error, Sendable {
    /// What a caller can act on.
    package enum Kind: Sendable, Equatable {
        /// A unique key is taken.
        case uniqueViolation
        /// A row that is named does not exist, or a row that is referenced would go.
        case foreignKeyViolation
        /// No space left.
        case full
        /// Another connection holds a lock for too long, or the statement took longer than its time.
        case busy
        /// The disk did not confirm a sync: what was written may be gone although later syncs succeed.
        case syncFailed
        /// The disk failed in another way.
        case inputOutput
        /// The database server can't be reached, or the connection was lost before a commit: nothing took effect.
        case unavailable
        /// The connection was lost while a commit was on its way: it may have taken effect.
        case inDoubt
        /// Another transaction stood in the way (a deadlock, say): nothing took effect, and it may be run again.
        case conflict
        /// The file is no database, or a damaged one.
        case corrupt
        /// The database works, but a row holds what this program could not have written: only what needs the row fails.
        case unreadable
        /// Anything else: a bug of ours or a broken installation.
        case other
    }

    package let kind: Kind
    /// The engine's own number.
    package let code: Int
    /// The engine's own words: for the log, never for an answer.
    package let message: String
    /// Whether the engine said that the transaction took no effect, even when it was the commit that failed.
    package let isUndone: Bool

    package init(_ kind: Kind, code: Int, message: String, isUndone: Bool = false) {
        self.kind = kind
        self.code = code
        self.message = message
        self.isUndone = isUndone
    }

    /// Whether the fault lies with the store and not with what was asked.
    package var isDisk: Bool {
        switch kind {
        case .full, .busy, .syncFailed, .inputOutput, .corrupt, .unavailable, .inDoubt, .conflict: true
        case .uniqueViolation, .foreignKeyViolation, .unreadable, .other: false
        }
    }

    /// A connection that is found to be lost so soon was lost before, when a server was started again say, and a new one may do. One that took
    /// longer kept its caller waiting long enough.
    package static let soon = Duration.milliseconds(300)

    /// Whether the database server is away.
    package var isAway: Bool { kind == .unavailable || kind == .inDoubt }
}
