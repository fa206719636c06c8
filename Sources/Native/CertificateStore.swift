private import CCurl

/// Whose certificates are believed: authorities, parsed once and shared by all connections.
///
/// `@unchecked Sendable`: (1) it isn't changed after it was made; (2) OpenSSL counts and locks a store by
/// itself.
package final class CertificateStore: @unchecked Sendable {
    /// Why a file is of no use.
    package enum Problem: Error, Equatable {
        case unreadable
        case noCertificates
        /// One of them can't be read; those before it were taken in.
        case damaged
    }

    let pointer: OpaquePointer
    /// How many certificates were taken in.
    package private(set) var count = 0

    package init() {
        guard let store = X509_STORE_new() else { fatalError("no memory for a store of certificates") }
        pointer = store
    }

    deinit { X509_STORE_free(pointer) }

    /// Takes in the certificates of a file in PEM, of which there must be one at least; one that is there
    /// already is passed over. To be called before the store is shared.
    package func add(file: String) throws(Problem) {
        guard let bio = BIO_new_file(file, "r") else { throw .unreadable }
        defer {
            BIO_free(bio)
            ERR_clear_error()
        }
        ERR_clear_error()
        var found = 0
        while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) {
            if X509_STORE_add_cert(pointer, certificate) == 1 { found += 1 }
            X509_free(certificate)
        }
        count += found
        guard ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE else { throw .damaged }
        guard found > 0 else { throw .noCertificates }
    }
}
