private import CAllocator

/// What the process asks of the C library's allocator.
package enum Allocator {
    /// Has large blocks given back to the system when they are freed. To be called once, before there are threads: what one large call
    /// took would otherwise stay with the process for good.
    package static func tune() {
        callocator_tune(512 << 10, 8)
    }

    /// Gives free memory back to the system. Takes up to some milliseconds; not for a thread that others wait for.
    package static func trim() {
        callocator_trim()
    }
}
