import Domain
import Native

/// What a node remembers of the installation that its database server holds, so that it can start, verify tokens and take pushes into its
/// spool while the server is away: a file in its data directory.
///
/// One line: the deployment's id and the key check as hexadecimal digits, and the newest time that the store saw, in milliseconds. None of it
/// is secret.
struct KnownDeployment {
    let id: [UInt8]
    let keyCheck: [UInt8]
    let newestAt: UnixTime

    private static func path(_ settings: Settings) -> String { settings.dataDirectory + "/deployment" }

    /// nil: the node never reached its database.
    static func read(_ settings: Settings) throws -> KnownDeployment? {
        guard let bytes = try PrivateFile.read(path(settings)) else { return nil }
        let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard parts.count == 3, let id = Hexadecimal.decode(Array(parts[0].utf8)), id.count == 16,
            let check = Hexadecimal.decode(Array(parts[1].utf8)), let time = Int64(parts[2])
        else { return nil }
        return KnownDeployment(id: id, keyCheck: check, newestAt: UnixTime(milliseconds: time))
    }

    /// Remembers it for the next start.
    func write(_ settings: Settings) throws {
        let parts = [
            Hexadecimal.encode(id), Hexadecimal.encode(keyCheck), Array("\(newestAt.milliseconds)".utf8),
        ]
        try PrivateFile.replace(Self.path(settings), Array(parts.joined(separator: [0x20])) + [0x0A])
    }
}
