import Native

/// The root secrets, from which all keys of the installation are derived.
///
/// The file holds a line `kid hex` for each generation: kid 1 to 255, 64 hexadecimal digits. Empty lines and lines that begin with `#` are
/// left out. It is in no database and no backup: who has it can forge push tokens whose tags he knows.
package enum RootSecrets {
    /// What is wrong with the file. Never holds a part of a secret.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
    }

    /// Reads the file, or makes it with a new secret of generation 1 when it is missing and `mayCreate`.
    package static func load(_ path: String, mayCreate: Bool) throws -> [UInt8: [UInt8]] {
        if let bytes = try PrivateFile.read(path) {
            // A new one may not be on the disk yet, when the process that made it was killed at its sync.
            if mayCreate { try PrivateFile.rewrite(path) }
            guard !PrivateFile.isReadableByOthers(path) else {
                throw Problem(description: "\(path) can be read by others: chmod 600 it")
            }
            return try parse(bytes, path)
        }
        guard mayCreate else {
            throw Problem(
                description:
                    "\(path) is missing: without the root secret of this installation no push URL works"
            )
        }
        let secret = SecureRandom.bytes(32)
        try PrivateFile.create(path, Array("1 ".utf8) + Hexadecimal.encode(secret) + [0x0A])
        return [1: secret]
    }

    private static func parse(_ bytes: [UInt8], _ path: String) throws -> [UInt8: [UInt8]] {
        var roots: [UInt8: [UInt8]] = [:]
        for (index, line) in String(decoding: bytes, as: UTF8.self).split(separator: "\n").enumerated() {
            let parts = line.split(separator: " ")
            if parts.isEmpty || line.hasPrefix("#") { continue }
            guard parts.count == 2, let kid = UInt8(parts[0]), kid > 0, roots[kid] == nil,
                let secret = secret(parts[1])
            else {
                throw Problem(
                    description:
                        "\(path), line \(index + 1): must be a number from 1 to 255 and 64 hex digits"
                )
            }
            roots[kid] = secret
        }
        guard !roots.isEmpty else { throw Problem(description: "\(path) holds no root secret") }
        return roots
    }

    private static func secret(_ text: Substring) -> [UInt8]? {
        guard text.utf8.count == 64 else { return nil }
        return Hexadecimal.decode(Array(text.utf8))
    }
}
