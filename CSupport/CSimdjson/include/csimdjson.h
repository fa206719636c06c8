// A reusable JSON parser: simdjson's DOM parser behind plain C.
//
// A parsed document is simdjson's tape, an array of 64-bit words (simdjson, doc/tape.md). The top 8 bits of a
// word are its tag, the low 56 bits its payload:
//
//   r        first word; the root value is word 1
//   { [      low 32 bits: index of the word after the matching } or ]; next 24 bits: number of members or
//            elements, saturating at 0xFFFFFF. In an object, names (tag ") and values alternate
//   } ]      low 32 bits: index of the matching { or [
//   "        offset in the string buffer of a 32-bit length (native order), that many bytes of UTF-8,
//            and a NUL
//   l u d    the next word is an int64_t, a uint64_t above INT64_MAX, or a double
//   t f n    true, false, null
#ifndef TOCSIN_CSIMDJSON_H
#define TOCSIN_CSIMDJSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Statuses. A number that neither 64 bits nor a finite double can hold is CSIMDJSON_SYNTAX.
#define CSIMDJSON_OK 0
#define CSIMDJSON_SYNTAX 1
#define CSIMDJSON_DEPTH 2
#define CSIMDJSON_INVALID_UTF8 3
#define CSIMDJSON_TOO_LARGE 4  // longer than max_bytes, or no memory

typedef struct csimdjson_parser csimdjson_parser;

// A parser for documents of up to max_bytes (below 4 GiB), or null if there is no memory. For one thread at a
// time.
csimdjson_parser *csimdjson_new(size_t max_bytes);
void csimdjson_free(csimdjson_parser *parser);

// Copies the input, parses it and answers a status. Containers may nest max_depth deep (an empty one at one
// level more is let through). The tape and the strings belong to the parser and live until its next verb;
// they are null unless the status is CSIMDJSON_OK.
int csimdjson_parse(
    csimdjson_parser *parser, const uint8_t *bytes, size_t length, size_t max_depth,
    const uint64_t **tape, const uint8_t **strings);

// Ends the use of the tape and gives memory back if a large document made the buffers exceed 1 MiB.
void csimdjson_trim(csimdjson_parser *parser);

// A constant English sentence for a status.
const char *csimdjson_message(int status);

// 1 if the bytes are well-formed UTF-8, else 0.
int csimdjson_is_utf8(const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
