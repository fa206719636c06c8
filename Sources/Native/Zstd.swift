private import CZstd

/// Why zstd data was refused.
package enum ZstdError: Error, Hashable {
    /// Not one complete zstd frame that states its content size.
    case corrupt
    /// The content is larger than the caller allows.
    case tooLarge
    /// The frame was made with another dictionary than the one given, or with one and none was given.
    case wrongDictionary
    /// A dictionary could not be trained.
    case training
}

/// Compression of whole byte strings into zstd frames (RFC 8878) with content size, without checksum.
///
/// Contexts are kept between calls, some for each direction, so a call allocates its result and little else.
package enum Zstd {
    private static let compressors = IdlePool<ZstdCompressor>(limit: 8)
    private static let decompressors = IdlePool<ZstdDecompressor>(limit: 8)

    /// One frame with the bytes; its array holds no spare capacity.
    ///
    /// - Parameters:
    ///   - bytes: the content, of any length.
    ///   - dictionary: needed again, the same, to decompress; its level counts.
    ///   - level: 1 (fast) to 22, without a dictionary.
    /// - Returns: the frame; at most 1/256 and some bytes longer than the content.
    package static func compress(
        _ bytes: RawSpan,
        dictionary: ZstdDictionary? = nil,
        level: Int = 1
    ) -> [UInt8] {
        precondition((1...22).contains(level), "zstd levels are 1 to 22")
        let compressor = compressors.take() ?? ZstdCompressor()
        defer { compressors.giveBack(compressor) }
        return bytes.withUnsafeBytes { compressor.compress($0, dictionary: dictionary, level: Int32(level)) }
    }

    /// One frame with the bytes; as `compress(_:dictionary:level:)` of a span.
    package static func compress(
        _ bytes: [UInt8],
        dictionary: ZstdDictionary? = nil,
        level: Int = 1
    ) -> [UInt8] {
        compress(bytes.span.bytes, dictionary: dictionary, level: level)
    }

    /// The content of a frame that `compress` made.
    ///
    /// - Parameters:
    ///   - frame: one complete frame.
    ///   - dictionary: the one it was made with, if any.
    ///   - maximumSize: bytes of content to accept; checked against the frame's header before anything is
    ///     allocated.
    /// - Returns: the content.
    /// - Throws: any case of `ZstdError` but `.training`.
    package static func decompress(
        _ frame: [UInt8],
        dictionary: ZstdDictionary? = nil,
        maximumSize: Int
    ) throws(ZstdError) -> [UInt8] {
        let count = try contentSize(of: frame, maximumSize: maximumSize)
        let decompressor = decompressors.take() ?? ZstdDecompressor()
        defer { decompressors.giveBack(decompressor) }
        return try decompressor.decompress(frame, dictionary: dictionary, contentSize: count)
    }

    private static func contentSize(of frame: [UInt8], maximumSize: Int) throws(ZstdError) -> Int {
        let size = ZSTD_getFrameContentSize(frame, frame.count)
        guard size != czstd_content_size_error(), size != czstd_content_size_unknown() else {
            throw .corrupt
        }
        guard size <= UInt64(max(0, maximumSize)) else { throw .tooLarge }
        return Int(size)
    }
}
