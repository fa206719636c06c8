import NIOSSL

/// Whose certificates are believed: those of the system, and of a file of the operator's.
///
/// Read once: each client would else parse the system's whole list again.
package struct TrustRoots: Sendable {
    private static let systemFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    private let certificates: [NIOSSLCertificate]

    /// Reads the system's list and `file`: certificates in PEM, for private authorities. Throws when `file` can't be read or holds none.
    package init(file: String? = nil) throws {
        var certificates: [NIOSSLCertificate] = []
        for path in Self.systemFiles {
            guard let found = try? NIOSSLCertificate.fromPEMFile(path) else { continue }
            certificates = found
            break
        }
        if let file { certificates += try NIOSSLCertificate.fromPEMFile(file) }
        self.certificates = certificates
    }

    /// A client's settings: TLS 1.2 or later, whole verification. Without any certificate at hand the library looks for itself.
    var clientConfiguration: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !certificates.isEmpty { configuration.trustRoots = .certificates(certificates) }
        return configuration
    }
}
