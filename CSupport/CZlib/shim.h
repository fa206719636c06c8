// zlib, as far as streams are unpacked.
#ifndef TOCSIN_CZLIB_SHIM_H
#define TOCSIN_CZLIB_SHIM_H

#include <zlib.h>

// A macro, which Swift cannot import.
static inline int czlib_inflate_begin(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }

#endif
