import SQL

/// Finds out whether the store can be written.
package enum StoreProbe {
    static let touch = SQLStatement("UPDATE deployment SET newest_at = newest_at WHERE singleton = 1")

    /// Whether a small transaction can be committed now.
    package static func isWritable(_ store: Store) async -> Bool {
        do {
            try await store.database.transaction(.platform) { connection in _ = try connection.run(touch, [])
            }
            return true
        } catch {
            return false
        }
    }
}
