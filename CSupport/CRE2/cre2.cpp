#include "cre2.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <re2/re2.h>
#include <string>

struct cre2_pattern {
    re2::RE2 expression;

    cre2_pattern(const re2::StringPiece &source, const re2::RE2::Options &options)
        : expression(source, options) {}
};

namespace {

re2::StringPiece piece(const uint8_t *bytes, size_t length) {
    return re2::StringPiece(reinterpret_cast<const char *>(bytes), length);
}

void copy_message(const char *message, size_t length, char *error, size_t capacity) {
    if (capacity == 0) { return; }
    const size_t count = std::min(length, capacity - 1);
    std::memcpy(error, message, count);
    error[count] = 0;
}

int out_of_memory(char *error, size_t capacity) {
    const char message[] = "out of memory";
    copy_message(message, sizeof message - 1, error, capacity);
    return CRE2_TOO_LARGE;
}

}  // namespace

int cre2_new(
    const uint8_t *source, size_t length, int64_t max_memory,
    char *error, size_t error_capacity, cre2_pattern **pattern) {
    *pattern = nullptr;
    try {
        re2::RE2::Options options;
        options.set_max_mem(max_memory);
        options.set_log_errors(false);
        options.set_encoding(re2::RE2::Options::EncodingUTF8);
        std::unique_ptr<cre2_pattern> made(new cre2_pattern(piece(source, length), options));
        if (made->expression.ok()) {
            *pattern = made.release();
            return CRE2_OK;
        }
        const std::string &message = made->expression.error();
        copy_message(message.data(), message.size(), error, error_capacity);
        const bool large = made->expression.error_code() == re2::RE2::ErrorPatternTooLarge;
        return large ? CRE2_TOO_LARGE : CRE2_SYNTAX;
    } catch (...) {
        return out_of_memory(error, error_capacity);
    }
}

void cre2_free(cre2_pattern *pattern) { delete pattern; }

int cre2_matches(const cre2_pattern *pattern, const uint8_t *text, size_t length) {
    try {
        const re2::StringPiece whole = piece(text, length);
        return pattern->expression.Match(whole, 0, length, re2::RE2::UNANCHORED, nullptr, 0) ? 1 : 0;
    } catch (...) {
        return 0;
    }
}

size_t cre2_escape(const uint8_t *literal, size_t length, uint8_t *out, size_t capacity) {
    try {
        const std::string escaped = re2::RE2::QuoteMeta(piece(literal, length));
        std::memcpy(out, escaped.data(), std::min(escaped.size(), capacity));
        return escaped.size();
    } catch (...) {
        return 0;
    }
}
