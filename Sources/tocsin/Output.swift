import Native

/// What commands say to the person who called them.
enum Output {
    /// A line on the standard error.
    static func error(_ text: String) {
        writeStandardError(Array("tocsin: \(text)\n".utf8))
    }
}
