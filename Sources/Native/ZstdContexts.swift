private import CZstd

/// A compression context with the memory its results are built in. For one caller at a time.
final class ZstdCompressor {
    // Holds the worst case of inputs up to about 64 KiB, far above an ordinary push.
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65 << 10, alignment: 16)
    private let context: OpaquePointer

    init() {
        guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
    }

    deinit {
        ZSTD_freeCCtx(context)
        scratch.deallocate()
    }

    func compress(
        _ bytes: UnsafeRawBufferPointer,
        dictionary: ZstdDictionary?,
        level: Int32
    ) -> [UInt8] {
        let bound = ZSTD_compressBound(bytes.count)
        if bound <= scratch.count {
            return compress(bytes, into: scratch, dictionary: dictionary, level: level)
        }
        let large = UnsafeMutableRawBufferPointer.allocate(byteCount: bound, alignment: 16)
        defer { large.deallocate() }
        return compress(bytes, into: large, dictionary: dictionary, level: level)
    }

    private func compress(
        _ bytes: UnsafeRawBufferPointer,
        into buffer: UnsafeMutableRawBufferPointer,
        dictionary: ZstdDictionary?,
        level: Int32
    ) -> [UInt8] {
        let (start, capacity) = (buffer.baseAddress, buffer.count)
        let count =
            if let dictionary {
                ZSTD_compress_usingCDict(
                    context,
                    start,
                    capacity,
                    bytes.baseAddress,
                    bytes.count,
                    dictionary.compressing
                )
            } else {
                ZSTD_compressCCtx(context, start, capacity, bytes.baseAddress, bytes.count, level)
            }
        // With room for the worst case only a lack of memory is left, which Swift treats the same way.
        precondition(ZSTD_isError(count) == 0, "no memory for zstd")
        return [UInt8](buffer.prefix(count))
    }
}

/// A decompression context. For one caller at a time.
final class ZstdDecompressor {
    private let context: OpaquePointer

    init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    func decompress(
        _ frame: [UInt8],
        dictionary: ZstdDictionary?,
        contentSize: Int
    ) throws(ZstdError) -> [UInt8] {
        var answer = 0
        let content = [UInt8](unsafeUninitializedCapacity: contentSize) { buffer, initialized in
            answer = ZSTD_decompress_usingDDict(
                context,
                buffer.baseAddress,
                contentSize,
                frame,
                frame.count,
                dictionary?.decompressing
            )
            initialized = ZSTD_isError(answer) == 0 ? answer : 0
        }
        guard ZSTD_isError(answer) == 0 else {
            throw ZSTD_getErrorCode(answer) == ZSTD_error_dictionary_wrong ? .wrongDictionary : .corrupt
        }
        guard answer == contentSize else { throw .corrupt }
        return content
    }
}
