import Native

/// What this program is.
package enum Build {
    /// Semantic version.
    package static let version = "0.1.0"
    /// The version and the very file that runs: another build of the same version has another one.
    package static let identity = "\(version)/\(executableStamp() ?? "")"
}
