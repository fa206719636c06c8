// zstd's stable interface, its error codes and its dictionary trainer.
#ifndef TOCSIN_CZSTD_SHIM_H
#define TOCSIN_CZSTD_SHIM_H

#include <zstd.h>
#include <zstd_errors.h>
#include <zdict.h>

// Two macros whose casts Swift cannot import.
static inline unsigned long long czstd_content_size_unknown(void) { return ZSTD_CONTENTSIZE_UNKNOWN; }
static inline unsigned long long czstd_content_size_error(void) { return ZSTD_CONTENTSIZE_ERROR; }

#endif
