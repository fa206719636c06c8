// The bytes of openapi.yaml, in the binary.
//
// Not by `.embedInCode`: an array literal of 290,000 elements took the Swift compiler 30 s (debug) and 55 s (release), here it takes 0.2 s.
#ifndef TOCSIN_COPENAPI_H
#define TOCSIN_COPENAPI_H

#include <stddef.h>
#include <stdint.h>

// Lives as long as the process; not terminated by a zero.
const uint8_t *copenapi_text(void);
size_t copenapi_size(void);

#endif
