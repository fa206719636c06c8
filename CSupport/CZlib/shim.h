// zlib, as far as streams are unpacked and documents packed.
#ifndef TOCSIN_CZLIB_SHIM_H
#define TOCSIN_CZLIB_SHIM_H

#include <zlib.h>

// Macros, which Swift cannot import.
static inline int czlib_deflate_begin(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}
static inline int czlib_inflate_begin(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }

#endif
