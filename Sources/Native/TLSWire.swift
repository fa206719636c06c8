private import COpenSSL

/// The two ends of a TLS session that face the network: what came, lent for the length of a call, and what is
/// to be sent.
///
/// It is a BIO of our own instead of OpenSSL's memory BIO, because that one keeps the memory of the largest
/// record of its life, and copies what comes once more.
final class TLSWire {
    /// Bytes that may wait to be taken. One step writes a record of 16 KiB, or the flight of a handshake,
    /// which is as long as the chain of certificates: no more than the file of 1 MiB that it comes from.
    private static let limit = 2 << 20

    /// What came and has not been read: valid only while it is lent.
    private var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// What is to be sent.
    private(set) var output: [UInt8] = []

    /// Lends what came to the calls of OpenSSL within `body`.
    func lending<Result, Failure: Error>(
        _ bytes: UnsafeRawBufferPointer,
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        input = bytes
        defer { input = UnsafeRawBufferPointer(start: nil, count: 0) }
        return try body()
    }

    /// What is to be sent, which is then forgotten, and its memory given back.
    func take() -> [UInt8] {
        let taken = output
        output = []
        return taken
    }

    private func read(_ target: UnsafeMutablePointer<CChar>?, _ length: Int32) -> Int32 {
        let count = min(input.count, Int(max(length, 0)))
        guard let target, count > 0, let start = input.baseAddress else { return 0 }
        UnsafeMutableRawPointer(target).copyMemory(from: start, byteCount: count)
        input = UnsafeRawBufferPointer(rebasing: input[count...])
        return Int32(truncatingIfNeeded: count)
    }

    private func write(_ source: UnsafePointer<CChar>?, _ length: Int32) -> Int32 {
        guard let source, length > 0, output.count + Int(length) <= Self.limit else { return -1 }
        output.append(contentsOf: UnsafeRawBufferPointer(start: source, count: Int(length)))
        return length
    }

    // MARK: OpenSSL's side

    /// The method of such a BIO, to be freed by `BIO_meth_free` after the last of them.
    static func makeMethod() -> OpaquePointer? {
        guard let method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7F, "tocsin") else { return nil }
        BIO_meth_set_read(method) { bio, target, length in
            copenssl_clear_retry(bio)
            let count = TLSWire.of(bio)?.read(target, length) ?? 0
            if count > 0 { return count }
            copenssl_retry_read(bio)
            return -1
        }
        BIO_meth_set_write(method) { bio, source, length in
            copenssl_clear_retry(bio)
            return TLSWire.of(bio)?.write(source, length) ?? -1
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        return method
    }

    /// A BIO over this value, which must outlive it.
    func makeBIO(_ method: OpaquePointer) -> OpaquePointer? {
        guard let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        return bio
    }

    private static func of(_ bio: OpaquePointer?) -> TLSWire? {
        // Valid: the session frees its BIO before it lets go of its wire.
        BIO_get_data(bio).map { Unmanaged<TLSWire>.fromOpaque($0).takeUnretainedValue() }
    }
}
