import Native

/// Whose certificates are believed: those of the system, and of a file of the operator's.
package struct TrustRoots: Sendable {
    private static let systemFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    /// For whoever connects.
    package let store: CertificateStore

    /// Reads the system's list, if there is one, and `file`: certificates in PEM, for private authorities.
    /// Throws when `file` can't be read or holds none.
    package init(file: String? = nil) throws {
        store = CertificateStore()
        for path in Self.systemFiles where (try? store.add(file: path)) != nil { break }
        if let file { try store.add(file: file) }
    }
}
