private import CZstd

/// A zstd dictionary, digested once for compressing at one level and once for decompressing.
// Unchecked, because (1) both pointers are set once, (2) zstd only reads them afterwards: zstd.h says so of the
// compressing one ("shared by multiple threads concurrently, since its usage is read-only") and takes the
// decompressing one as const, and (3) deinit runs when no reference is left.
@safe package final class ZstdDictionary: @unchecked Sendable {
    /// The number written into frames, so that a decompressor can tell which dictionary it needs.
    /// 0 for a dictionary of plain content, whose frames name none.
    package let id: UInt32
    /// The level that `Zstd.compress` uses with this dictionary.
    package let level: Int

    let compressing: OpaquePointer
    let decompressing: OpaquePointer

    /// Digests a dictionary.
    ///
    /// - Parameters:
    ///   - bytes: what `train` or `zstd --train` gave, or any plain content that resembles the data.
    ///   - level: compression level, 1 (fast) to 22.
    /// - Throws: `.corrupt` if the bytes begin like a trained dictionary but are none.
    package init(_ bytes: [UInt8], level: Int = 1) throws(ZstdError) {
        precondition((1...22).contains(level), "zstd levels are 1 to 22")
        guard let compressing = ZSTD_createCDict(bytes, bytes.count, Int32(level)) else { throw .corrupt }
        guard let decompressing = ZSTD_createDDict(bytes, bytes.count) else {
            ZSTD_freeCDict(compressing)
            throw .corrupt
        }
        self.compressing = compressing
        self.decompressing = decompressing
        self.level = level
        id = ZSTD_getDictID_fromDDict(decompressing)
    }

    deinit {
        ZSTD_freeCDict(compressing)
        ZSTD_freeDDict(decompressing)
    }

    /// Makes the bytes of a dictionary from examples of the data. Slow (seconds for megabytes): for tools,
    /// not servers.
    ///
    /// - Parameters:
    ///   - samples: some hundred typical inputs, together about 100 times `maximumSize`.
    ///   - maximumSize: bytes of the dictionary, at least 256.
    /// - Returns: the bytes, to be kept as long as frames made with them.
    /// - Throws: `.training` if the samples are too few or too small.
    package static func train(samples: [[UInt8]], maximumSize: Int) throws(ZstdError) -> [UInt8] {
        precondition(maximumSize >= 256, "zstd makes no dictionary below 256 bytes")
        let sizes = samples.map(\.count)
        let joined = samples.flatMap(\.self)
        let dictionary = [UInt8](unsafeUninitializedCapacity: maximumSize) { buffer, initialized in
            let count = ZDICT_trainFromBuffer(
                buffer.baseAddress,
                maximumSize,
                joined,
                sizes,
                UInt32(sizes.count)
            )
            initialized = ZDICT_isError(count) == 0 ? count : 0
        }
        guard !dictionary.isEmpty else { throw .training }
        return dictionary
    }
}
