#include "csimdjson.h"

#include <cstring>
#include <memory>
#include <new>
#include <simdjson.h>

namespace {

// simdjson takes about 15 bytes for each byte of input it is prepared for (tape 8, indexes 4, strings 1.7,
// the copy 1), so 64 KiB of input is just under 1 MiB of memory.
constexpr size_t retained_input = 64 * 1024;
constexpr size_t smallest_input = 4 * 1024;

// Powers of two up to what is retained, so that slowly growing inputs do not reallocate each time; exact
// above.
size_t rounded(size_t length) {
    if (length > retained_input) { return length; }
    size_t size = smallest_input;
    while (size < length) { size *= 2; }
    return size;
}

int status_of(simdjson::error_code error) {
    switch (error) {
    case simdjson::SUCCESS: return CSIMDJSON_OK;
    case simdjson::DEPTH_ERROR: return CSIMDJSON_DEPTH;
    case simdjson::UTF8_ERROR: return CSIMDJSON_INVALID_UTF8;
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC: return CSIMDJSON_TOO_LARGE;
    default: return CSIMDJSON_SYNTAX;
    }
}

}  // namespace

struct csimdjson_parser {
    size_t max_bytes;
    simdjson::dom::parser parser;
    std::unique_ptr<uint8_t[]> input;  // capacity + SIMDJSON_PADDING bytes
    size_t capacity = 0;
    size_t depth = 0;

    explicit csimdjson_parser(size_t max) : max_bytes(max) {}

    void release() {
        parser = simdjson::dom::parser();
        input.reset();
        capacity = 0;
        depth = 0;
    }

    bool prepare(size_t length, size_t wanted_depth) {
        const bool fits = input && length <= capacity;
        if (fits && wanted_depth == depth) { return true; }
        const size_t size = fits ? capacity : rounded(length);
        if (size != capacity) {
            release();
            input.reset(new (std::nothrow) uint8_t[size + simdjson::SIMDJSON_PADDING]);
            if (!input || parser.doc.allocate(size) != simdjson::SUCCESS) { return false; }
        }
        if (parser.allocate(size, wanted_depth) != simdjson::SUCCESS) { return false; }
        capacity = size;
        depth = wanted_depth;
        return true;
    }
};

csimdjson_parser *csimdjson_new(size_t max_bytes) {
    const size_t limit = 0xFFFFFFFF - simdjson::SIMDJSON_PADDING;
    try {
        return new csimdjson_parser(max_bytes < limit ? max_bytes : limit);
    } catch (...) {
        return nullptr;
    }
}

void csimdjson_free(csimdjson_parser *parser) { delete parser; }

int csimdjson_parse(
    csimdjson_parser *parser, const uint8_t *bytes, size_t length, size_t max_depth,
    const uint64_t **tape, const uint8_t **strings) {
    *tape = nullptr;
    *strings = nullptr;
    if (length > parser->max_bytes) { return CSIMDJSON_TOO_LARGE; }
    try {
        // simdjson refuses the container that makes the depth equal to its limit, hence one more.
        if (!parser->prepare(length, max_depth + 1)) {
            parser->release();
            return CSIMDJSON_TOO_LARGE;
        }
        uint8_t *input = parser->input.get();
        if (length > 0) { std::memcpy(input, bytes, length); }
        std::memset(input + length, ' ', simdjson::SIMDJSON_PADDING);
        const auto error = parser->parser.parse(input, length, false).error();
        if (error) { return status_of(error); }
        *tape = parser->parser.doc.tape.get();
        *strings = parser->parser.doc.string_buf.get();
        return CSIMDJSON_OK;
    } catch (...) {
        parser->release();
        return CSIMDJSON_TOO_LARGE;
    }
}

void csimdjson_trim(csimdjson_parser *parser) {
    if (parser->capacity > retained_input) { parser->release(); }
}

const char *csimdjson_message(int status) {
    switch (status) {
    case CSIMDJSON_OK: return "no error";
    case CSIMDJSON_DEPTH: return "the JSON is nested too deeply";
    case CSIMDJSON_INVALID_UTF8: return "the JSON is not valid UTF-8";
    case CSIMDJSON_TOO_LARGE: return "the JSON is too large";
    default: return "not well-formed JSON, or a number outside the range of 64 bits";
    }
}

int csimdjson_is_utf8(const uint8_t *bytes, size_t length) {
    return simdjson::validate_utf8(reinterpret_cast<const char *>(bytes), length) ? 1 : 0;
}
