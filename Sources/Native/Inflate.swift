private import CZlib

/// Unpacks what was packed for the way: gzip (RFC 1952) and deflate (RFC 1950, and the bare RFC 1951 that
/// some senders make of it).
package enum Inflate {
    /// How the bytes were packed.
    package enum Form: Sendable {
        case gzip
        case deflate
    }

    /// Why bytes could not be unpacked.
    package enum Failure: Error {
        /// Not whole, damaged, or packed in another way.
        case corrupt
        /// It would be longer than the caller takes.
        case tooLarge
    }

    private static let chunk = 64 << 10

    /// The bytes, at most `limit` of them; no more than that is ever held. Linear in what comes out.
    package static func bytes(_ packed: [UInt8], _ form: Form, limit: Int) throws(Failure) -> [UInt8] {
        guard packed.count <= Int(UInt32.max) else { throw .tooLarge }
        guard form == .deflate else { return try run(packed, windowBits: 15 + 16, limit) }
        do {
            return try run(packed, windowBits: 15, limit)
        } catch .corrupt {
            return try run(packed, windowBits: -15, limit)
        }
    }

    private static func run(_ packed: [UInt8], windowBits: Int32, _ limit: Int) throws(Failure) -> [UInt8] {
        var stream = z_stream()
        guard czlib_inflate_begin(&stream, windowBits) == Z_OK else { throw .corrupt }
        defer { inflateEnd(&stream) }
        var input = packed
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: chunk)
        let failure = input.withUnsafeMutableBufferPointer { source -> Failure? in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            while true {
                let (status, count) = step(&stream, &buffer)
                guard output.count + count <= limit else { return .tooLarge }
                output += buffer[..<count]
                switch status {
                case Z_STREAM_END:
                    // Several members one after the other are one text.
                    guard windowBits > 15, stream.avail_in > 1, stream.next_in[0] == 0x1F,
                        stream.next_in[1] == 0x8B, inflateReset(&stream) == Z_OK
                    else { return nil }
                case Z_OK where count > 0 || stream.avail_in > 0: continue
                default: return .corrupt
                }
            }
        }
        if let failure { throw failure }
        return output
    }

    private static func step(_ stream: inout z_stream, _ buffer: inout [UInt8]) -> (status: Int32, count: Int)
    {
        buffer.withUnsafeMutableBufferPointer { target in
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            let status = inflate(&stream, Z_NO_FLUSH)
            return (status, target.count - Int(stream.avail_out))
        }
    }
}
