#if PostgreSQL
import CPostgres

extension SQLError {
    /// The connection was lost, or could not be made. `message` is libpq's: it holds no password.
    static func unavailable(_ message: String) -> SQLError {
        SQLError(.unavailable, code: 0, message: message)
    }

    /// From a result that says that a statement failed: the server answered, so what is open is undone.
    init(result: OpaquePointer) {
        let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) } ?? ""
        let message = PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { String(cString: $0) }
        self.init(
            SQLError.kind(ofState: state),
            code: Int(state, radix: 36) ?? 0,
            message: "\(state) \(message ?? String(cString: PQresultErrorMessage(result)))",
            isUndone: true
        )
    }

    /// What a caller can do about an SQLSTATE. Source: appendix A of PostgreSQL's manual.
    private static func kind(ofState state: String) -> Kind {
        switch state {
        case "23505": return .uniqueViolation
        case "23503": return .foreignKeyViolation
        // Deadlock, serialization: the transaction may be run again.
        case "40P01", "40001": return .conflict
        case "53100": return .full
        // Lock not available, query cancelled by its time limit.
        case "55P03", "57014": return .busy
        // Read only: a server that was the first and is a standby now.
        case "25006": return .unavailable
        default: break
        }
        switch state.prefix(2) {
        // Connection, resources (too many connections, out of memory), operator intervention (shutdown, start-up).
        case "08", "53", "57": return .unavailable
        case "58": return .inputOutput
        case "XX": return state == "XX000" ? .other : .corrupt
        default: return .other
        }
    }
}
#endif
