#include "include/copenapi.h"

// `#embed` is C23, and an extension of clang 19, the one of Swift 6.2, and later.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t text[] = {
#embed "../../openapi.yaml"
};

const uint8_t *copenapi_text(void) { return text; }

size_t copenapi_size(void) { return sizeof text; }
