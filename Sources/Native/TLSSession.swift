private import COpenSSL

/// Why a TLS session ended before its time. Nothing can be sent or received on it any more.
package struct TLSFailure: Error, Equatable, CustomStringConvertible {
    /// A closed set, free of data: fit for the label of a metric.
    package enum Reason: String, Sendable, CaseIterable {
        /// What came is not TLS: plain HTTP, for instance.
        case notTLS = "not_tls"
        /// The other side knows no version or no cipher that we do.
        case noCommonParameters = "no_common_parameters"
        /// The other side has no certificate, or one that we do not believe.
        case certificate
        /// The other side gave up, and said so by an alert.
        case alert
        /// What came is TLS, and wrong.
        case protocolError = "protocol"
        /// It took too long.
        case timeout
        /// The connection ended without the end of the session.
        case truncated
    }

    package let reason: Reason
    /// OpenSSL's own words: constant sentences, nothing of what came.
    package let detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package var description: String { "\(reason.rawValue): \(detail)" }
}

/// One side of one TLS connection, between bytes in the clear and bytes on the wire. Moves no bytes by
/// itself: what comes is given to `receive`, and what is to be sent is taken by `takeCiphertext` after each
/// call.
///
/// It holds at most a record that has not come whole (16 KiB and a little), and nothing but its keys while it
/// is silent.
package final class TLSSession {
    private let session: OpaquePointer
    private let context: TLSContext
    private let wire: TLSWire
    /// The handshake is over, and data can be sent.
    package private(set) var isEstablished = false
    /// The other side has said that it sends no more (close_notify).
    package private(set) var isInputClosed = false
    /// We have said so.
    package private(set) var isOutputClosed = false
    private var failure: TLSFailure?

    /// Bytes in the clear of one record at most.
    package static let recordBytes = 16 << 10

    /// A new one. `serverName`: whom a client asks for, and what the certificate must be for when the context
    /// believes some authorities. Throws when there is no memory for it.
    package init(_ context: TLSContext, serverName: String? = nil) throws(TLSFailure) {
        ERR_clear_error()
        let wire = TLSWire()
        guard let session = SSL_new(context.pointer) else {
            throw TLSFailure(.protocolError, TLSContext.reason())
        }
        guard let bio = wire.makeBIO(context.wire) else {
            SSL_free(session)
            throw TLSFailure(.protocolError, TLSContext.reason())
        }
        SSL_set_bio(session, bio, bio)
        (self.session, self.context, self.wire) = (session, context, wire)
        if context.isServer { SSL_set_accept_state(session) } else { SSL_set_connect_state(session) }
        guard let serverName, !context.isServer else { return }
        guard copenssl_set_server_name(session, serverName) == 1, SSL_set1_host(session, serverName) == 1
        else {
            throw TLSFailure(.protocolError, TLSContext.reason())
        }
    }

    deinit { SSL_free(session) }

    /// The version agreed on, `TLSv1.3`; of use once it is established.
    package var version: String { String(cString: SSL_get_version(session)) }

    /// Whether the session goes on from an earlier one, by a ticket.
    package var isResumed: Bool { SSL_session_reused(session) == 1 }

    /// Begins the handshake: a client's first flight. A server waits for it.
    package func start() throws(TLSFailure) {
        try step()
        _ = try handshake()
    }

    /// Takes in what came, and gives what is in it in the clear to `plaintext`, piece by piece, each at most
    /// `recordBytes`, before anything is thrown: all of it is authentic. What comes after the other side's
    /// end is dropped.
    package func receive(_ ciphertext: RawSpan, plaintext: (RawSpan) -> Void) throws(TLSFailure) {
        try step()
        guard !isInputClosed else { return }
        try ciphertext.withUnsafeBytes { bytes throws(TLSFailure) in
            try wire.lending(bytes) { () throws(TLSFailure) in
                guard try handshake() else { return }
                try read(plaintext)
            }
        }
    }

    /// The same for bytes in an array, with all of what they hold in the clear.
    package func receive(_ ciphertext: [UInt8], plaintext: inout [UInt8]) throws(TLSFailure) {
        var found: [UInt8] = []
        defer { plaintext += found }
        try receive(ciphertext.span.bytes) { piece in piece.withUnsafeBytes { found += $0 } }
    }

    /// Encrypts bytes in an array.
    package func send(_ plaintext: [UInt8]) throws(TLSFailure) { try send(plaintext.span.bytes) }

    /// Encrypts. Only when established, and before `close`; otherwise it throws.
    package func send(_ plaintext: RawSpan) throws(TLSFailure) {
        try step()
        guard isEstablished, !isOutputClosed else {
            throw TLSFailure(.protocolError, "nothing can be sent now")
        }
        try plaintext.withUnsafeBytes { bytes throws(TLSFailure) in
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.recordBytes))
                var written = 0
                let result = SSL_write_ex(session, piece.baseAddress, piece.count, &written)
                guard result == 1, written > 0 else { throw failed(result) }
                rest = rest.dropFirst(written)
            }
        }
    }

    /// Says that we send no more (close_notify). Does nothing before the session is established, after a
    /// failure, and the second time.
    package func close() {
        guard isEstablished, !isOutputClosed, failure == nil else { return }
        isOutputClosed = true
        ERR_clear_error()
        SSL_shutdown(session)
        ERR_clear_error()
    }

    /// What is to be sent, each byte once. After a failure: the alert that says so.
    package func takeCiphertext() -> [UInt8] { wire.take() }

    /// What each call begins with: a failure is final, and the queue of errors belongs to the thread, not to
    /// the session.
    private func step() throws(TLSFailure) {
        if let failure { throw failure }
        ERR_clear_error()
    }

    /// Goes on with the handshake; whether it is over.
    private func handshake() throws(TLSFailure) -> Bool {
        if isEstablished { return true }
        let result = SSL_do_handshake(session)
        guard result == 1 else {
            if SSL_get_error(session, result) == SSL_ERROR_WANT_READ { return false }
            throw failed(result)
        }
        isEstablished = true
        return true
    }

    /// Reads until all that was lent is used up.
    private func read(_ plaintext: (RawSpan) -> Void) throws(TLSFailure) {
        let failure = withUnsafeTemporaryAllocation(byteCount: Self.recordBytes, alignment: 16) {
            buffer -> TLSFailure? in
            while true {
                var count = 0
                let result = SSL_read_ex(session, buffer.baseAddress, buffer.count, &count)
                guard result == 1 else {
                    switch SSL_get_error(session, result) {
                    case SSL_ERROR_WANT_READ: return nil
                    case SSL_ERROR_ZERO_RETURN:
                        isInputClosed = true
                        return nil
                    default: return failed(result)
                    }
                }
                plaintext(UnsafeRawBufferPointer(rebasing: buffer[..<count]).bytes)
            }
        }
        if let failure { throw failure }
    }

    /// Notes the failure that OpenSSL has just told of.
    private func failed(_ result: Int32) -> TLSFailure {
        let code = ERR_peek_error()
        let detail = TLSContext.reason()
        let made = TLSFailure(
            Self.reason(ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0),
            detail
        )
        failure = made
        return made
    }

    /// The class of one of libssl's reasons.
    private static func reason(_ code: Int32) -> TLSFailure.Reason {
        switch code {
        // An alert that came is told by its number and this.
        case SSL_AD_REASON_OFFSET...: .alert
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER,
            SSL_R_PACKET_LENGTH_TOO_LONG,
            SSL_R_UNKNOWN_PROTOCOL:
            .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH,
            SSL_R_NO_SHARED_CIPHER,
            SSL_R_NO_SHARED_GROUPS, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            SSL_R_NO_APPLICATION_PROTOCOL:
            .noCommonParameters
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, SSL_R_CERTIFICATE_VERIFY_FAILED: .certificate
        default: .protocolError
        }
    }
}
