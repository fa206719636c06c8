private import COpenSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Certificates of one PEM text, in their order. Owns them.
struct X509Chain: ~Copyable {
    /// OpenSSL's `X509`, at least one; valid as long as this value.
    let certificates: [OpaquePointer]

    /// Throws when there is no certificate, or one that can't be read. What stands between certificates is
    /// passed over.
    init(_ text: PEMText) throws(TLSCredentialsError) {
        certificates = try Self.read(text)
    }

    private static func read(_ text: PEMText) throws(TLSCredentialsError) -> [OpaquePointer] {
        ERR_clear_error()
        guard let length = Int32(exactly: text.bytes.count) else { throw .malformedCertificate(text.name) }
        let found = text.bytes.withUnsafeBytes { bytes in
            var found: [OpaquePointer] = []
            // A BIO that reads the bytes where they are: it is freed before they are.
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, length) else { return found }
            defer { BIO_free(bio) }
            while let next = PEM_read_bio_X509(bio, nil, { _, _, _, _ in 0 }, nil) { found.append(next) }
            return found
        }
        // The end of the text is an error, too: that no other certificate begins.
        let last = ERR_peek_last_error()
        ERR_clear_error()
        let isEnd = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE
        if isEnd, !found.isEmpty { return found }
        for certificate in found { X509_free(certificate) }
        throw isEnd ? .noCertificate(text.name) : .malformedCertificate(text.name)
    }

    deinit {
        for certificate in certificates { X509_free(certificate) }
    }

    /// When the first of them that ends, ends: seconds since 1970.
    var notAfter: Int64? { certificates.compactMap { Self.seconds(X509_get0_notAfter($0)) }.min() }

    /// When the last of them begins: seconds since 1970.
    var notBefore: Int64? { certificates.compactMap { Self.seconds(X509_get0_notBefore($0)) }.max() }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }
}
