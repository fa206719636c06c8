import Native

/// Who a node is among those on its database: 16 random bytes in a file of its data directory, which one process has at a time.
///
/// *Why kept:* what the node claimed before it was killed is its own again at once, and not only when the claim's time is over.
enum NodeIdentity {
    /// Reads it; makes it where there is none, or one that is damaged.
    static func load(_ settings: Settings) throws -> [UInt8] {
        let path = settings.dataDirectory + "/node"
        if let bytes = try PrivateFile.read(path), let id = Hexadecimal.decode(Array(bytes.prefix(32))),
            id.count == 16
        {
            return id
        }
        let id = SecureRandom.bytes(16)
        try PrivateFile.replace(path, Hexadecimal.encode(id) + [0x0A])
        return id
    }
}
