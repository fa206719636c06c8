import NIOCore
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

/// Whether a certificate is for a name.
///
/// The TLS library asks that, too, but is content when the certificate names the *address* that was connected to. Certificates for
/// addresses can be had by anybody, so that whoever forges the answer of a name server could then pass for every name.
enum CertificateName {
    /// Throws when the peer's certificate names hosts or addresses, but not `name`. Only inside the channel's event loop.
    ///
    /// `name` is nil when an address is meant, which the library has checked already, or when there is no TLS.
    static func check(_ channel: any NIOCore.Channel, name: String?) throws {
        guard let name, let certificate = try channel.pipeline.syncOperations.nioSSL_peerCertificate() else {
            return
        }
        let alternatives = certificate._subjectAlternativeNames()
        // Without any the library has compared the common name.
        guard !alternatives.isEmpty else { return }
        let isNamed = alternatives.contains { alternative in
            alternative.nameType == .dnsName && matches(Array(alternative.contents), name: Array(name.utf8))
        }
        if !isNamed { throw NIOSSLExtraError.failedToValidateHostname }
    }

    /// Whether a name in a certificate covers `name`: the same, or `*.` in place of the first part (RFC 6125, 6.4.3).
    private static func matches(_ pattern: [UInt8], name: [UInt8]) -> Bool {
        let pattern = pattern.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if pattern == name { return true }
        guard pattern.starts(with: "*.".utf8), let dot = name.firstIndex(of: UInt8(ascii: ".")) else {
            return false
        }
        let rest = pattern.dropFirst(2)
        return rest.contains(UInt8(ascii: ".")) && rest.elementsEqual(name[(dot + 1)...])
    }
}
