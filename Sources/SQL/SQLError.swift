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
        /// The file is no database, or a damaged one.
        case corrupt
        /// Anything else: a bug of ours or a broken installation.
        case other
    }

    package let kind: Kind
    /// The engine's own number.
    package let code: Int
    /// The engine's own words: for the log, never for an answer.
    package let message: String

    package init(_ kind: Kind, code: Int, message: String) {
        self.kind = kind
        self.code = code
        self.message = message
    }

    /// Whether the fault lies with the disk and not with what was asked.
    package var isDisk: Bool {
        switch kind {
        case .full, .busy, .syncFailed, .inputOutput, .corrupt: true
        case .uniqueViolation, .foreignKeyViolation, .other: false
        }
    }
}
