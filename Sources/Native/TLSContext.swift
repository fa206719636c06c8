private import COpenSSL

/// PEM and where it comes from, so that an error can name it.
package struct PEMText: Sendable {
    /// For a person: the path, as a rule.
    package let name: String
    package let bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// Reads a file of at most 1 MiB.
    package init(file path: String) throws(TLSCredentialsError) {
        do {
            guard let bytes = try PrivateFile.read(path) else { throw TLSCredentialsError.missing(path) }
            self.init(name: path, bytes: bytes)
        } catch let error as TLSCredentialsError {
            throw error
        } catch {
            throw .unreadable("\(error)")
        }
    }
}

/// What is wrong with a certificate, a key or authorities: for the person who set them. Never holds what is
/// in a file.
package enum TLSCredentialsError: Error, Equatable, CustomStringConvertible {
    case missing(String)
    case unreadable(String)
    case noCertificate(String)
    case malformedCertificate(String)
    case noKey(String)
    case foreignKey(certificate: String, key: String)
    /// OpenSSL's security level refuses it: too short a key, too weak a signature.
    case refused(String, reason: String)
    /// OpenSSL itself does not work.
    case library(String)

    package var description: String {
        switch self {
        case .missing(let name): "\(name) does not exist"
        case .unreadable(let text): text
        case .noCertificate(let name): "\(name) has no certificate in PEM"
        case .malformedCertificate(let name):
            "\(name) has a certificate that can't be read: cut off, or not PEM"
        case .noKey(let name): "\(name) has no private key in PEM that can be read without a password"
        case .foreignKey(let certificate, let key):
            "the key in \(key) does not belong to the first certificate in \(certificate)"
        case .refused(let name, let reason): "\(name) is refused by OpenSSL: \(reason)"
        case .library(let reason): "OpenSSL can't be used: \(reason)"
        }
    }
}

/// What the TLS sessions of one side have in common: OpenSSL's `SSL_CTX`, complete when it is made and never
/// changed.
///
/// TLS 1.2 and 1.3, without compression and renegotiation; a session is resumed by tickets whose keys live as
/// long as this value.
//
// Sendable, because (1) all of it is set in the initialisers, and (2) an SSL_CTX may then be used by any
// number of threads: its counters are atomic, its caches locked (openssl-threads(7)).
package final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    /// How sessions reach their buffers; belongs to this value.
    let wire: OpaquePointer
    package let isServer: Bool
    /// When the first certificate of the chain that ends, ends: seconds since 1970. nil for a client without
    /// certificate.
    package private(set) var notAfter: Int64?
    /// When the last certificate of the chain begins: seconds since 1970.
    package private(set) var notBefore: Int64?

    private init(isServer: Bool) throws(TLSCredentialsError) {
        ERR_clear_error()
        let method = isServer ? TLS_server_method() : TLS_client_method()
        guard let made = SSL_CTX_new(method) else { throw .library(Self.reason()) }
        guard let wire = TLSWire.makeMethod() else {
            SSL_CTX_free(made)
            throw .library(Self.reason())
        }
        (pointer, self.wire, self.isServer) = (made, wire, isServer)
        guard copenssl_context_prepare(pointer) == 1 else { throw .library(Self.reason()) }
    }

    deinit {
        SSL_CTX_free(pointer)
        BIO_meth_free(wire)
    }

    /// A server's. `certificate`: its own first, then the chain. `clientAuthorities`: a client without a
    /// certificate of theirs is refused.
    ///
    /// ALPN answers `http/1.1` (or `http/1.0`), and refuses a client that names only others (RFC 7301, 3.2);
    /// the server name of the client is not looked at.
    package static func server(
        certificate: PEMText,
        key: PEMText,
        clientAuthorities: PEMText? = nil,
        only version: TLSVersion? = nil
    ) throws(TLSCredentialsError) -> TLSContext {
        let context = try TLSContext(isServer: true)
        try context.use(certificate, key)
        copenssl_context_answer_http(context.pointer)
        if let clientAuthorities {
            try context.trust(clientAuthorities, announces: true)
            SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        try context.narrow(version)
        return context
    }

    /// A client's. Without `authorities` any server is believed: for tests.
    package static func client(
        authorities: PEMText?,
        certificate: PEMText? = nil,
        key: PEMText? = nil,
        only version: TLSVersion? = nil
    ) throws(TLSCredentialsError) -> TLSContext {
        let context = try TLSContext(isServer: false)
        if let certificate, let key { try context.use(certificate, key) }
        if let authorities {
            try context.trust(authorities, announces: false)
            SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        }
        try context.narrow(version)
        return context
    }

    private func narrow(_ version: TLSVersion?) throws(TLSCredentialsError) {
        guard let version else { return }
        guard copenssl_context_set_version(pointer, version.rawValue) == 1 else {
            throw .library(Self.reason())
        }
    }

    private func use(_ certificate: PEMText, _ key: PEMText) throws(TLSCredentialsError) {
        let chain = try X509Chain(certificate)
        guard let leaf = chain.certificates.first else { throw .noCertificate(certificate.name) }
        guard SSL_CTX_use_certificate(pointer, leaf) == 1 else {
            throw .refused(certificate.name, reason: Self.reason())
        }
        for next in chain.certificates.dropFirst() where copenssl_context_add_chain(pointer, next) != 1 {
            throw .refused(certificate.name, reason: Self.reason())
        }
        guard let secret = Self.privateKey(key) else { throw .noKey(key.name) }
        defer { EVP_PKEY_free(secret) }
        guard X509_check_private_key(leaf, secret) == 1 else {
            throw .foreignKey(certificate: certificate.name, key: key.name)
        }
        guard SSL_CTX_use_PrivateKey(pointer, secret) == 1 else {
            throw .refused(key.name, reason: Self.reason())
        }
        (notBefore, notAfter) = (chain.notBefore, chain.notAfter)
    }

    /// Believes the authorities; `announces`: a client is told their names, to choose its certificate by.
    private func trust(_ authorities: PEMText, announces: Bool) throws(TLSCredentialsError) {
        let chain = try X509Chain(authorities)
        let store = SSL_CTX_get_cert_store(pointer)
        for authority in chain.certificates {
            guard X509_STORE_add_cert(store, authority) == 1,
                !announces || SSL_CTX_add_client_CA(pointer, authority) == 1
            else { throw .refused(authorities.name, reason: Self.reason()) }
        }
    }

    /// The first private key; nil when there is none, or one with a password, which nobody is asked for.
    private static func privateKey(_ text: PEMText) -> OpaquePointer? {
        ERR_clear_error()
        guard let length = Int32(exactly: text.bytes.count) else { return nil }
        return text.bytes.withUnsafeBytes { bytes in
            // A BIO that reads the bytes where they are: it is freed before they are.
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, length) else { return nil }
            defer { BIO_free(bio) }
            return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in 0 }, nil)
        }
    }

    /// The oldest error of this thread, which is the cause of the others.
    static func reason() -> String {
        let code = ERR_peek_error()
        ERR_clear_error()
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason was given"
    }
}

/// A version of TLS, by its number on the wire.
package enum TLSVersion: Int32, Sendable, CaseIterable {
    case tls12 = 0x0303
    case tls13 = 0x0304
}
