/// What this program is.
package enum Build {
    /// Semantic version.
    package static let version = "0.1.0"
}
