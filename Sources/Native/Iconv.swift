import Glibc

/// Text of other encodings, by the C library's `iconv`.
package enum Iconv {
    /// `bytes` of the encoding `name`, which the C library must know, as UTF-8. nil: they are not whole text
    /// of it, the C library does not know it, or the result would be longer than `limit` bytes.
    package static func utf8(_ bytes: [UInt8], from name: String, limit: Int) -> [UInt8]? {
        let failed = iconv_t(bitPattern: -1)
        guard let converter = iconv_open("UTF-8", name), converter != failed else { return nil }
        defer { iconv_close(converter) }
        var input = bytes
        // No encoding here makes more than three bytes of one but UTF-16's and single bytes' worst, which
        // stay below.
        var output = [UInt8](repeating: 0, count: min(limit, bytes.count * 3 + 16))
        let written = input.withUnsafeMutableBytes { source -> Int? in
            output.withUnsafeMutableBytes { target -> Int? in
                var from = source.baseAddress?.assumingMemoryBound(to: CChar.self)
                var to = target.baseAddress?.assumingMemoryBound(to: CChar.self)
                var (left, room) = (source.count, target.count)
                guard iconv(converter, &from, &left, &to, &room) != -1, left == 0 else { return nil }
                return target.count - room
            }
        }
        return written.map { Array(output[..<$0]) }
    }
}
