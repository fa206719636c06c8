#include "cre2.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <re2/re2.h>
#include <re2/set.h>
#include <string>
#include <vector>

struct cre2_pattern {
    re2::RE2 expression;

    cre2_pattern(const re2::StringPiece &source, const re2::RE2::Options &options)
        : expression(source, options) {}
};

struct cre2_set {
    re2::RE2::Set expressions;

    explicit cre2_set(const re2::RE2::Options &options) : expressions(options, re2::RE2::UNANCHORED) {}
};

namespace {

re2::RE2::Options options_with(int64_t max_memory) {
    re2::RE2::Options options;
    options.set_max_mem(max_memory);
    options.set_log_errors(false);
    options.set_encoding(re2::RE2::Options::EncodingUTF8);
    return options;
}

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
        std::unique_ptr<cre2_pattern> made(new cre2_pattern(piece(source, length), options_with(max_memory)));
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

int cre2_program_size(const cre2_pattern *pattern) { return pattern->expression.ProgramSize(); }

size_t cre2_escape(const uint8_t *literal, size_t length, uint8_t *out, size_t capacity) {
    try {
        const std::string escaped = re2::RE2::QuoteMeta(piece(literal, length));
        std::memcpy(out, escaped.data(), std::min(escaped.size(), capacity));
        return escaped.size();
    } catch (...) {
        return 0;
    }
}

cre2_set *cre2_set_new(int64_t max_memory) {
    try {
        return new cre2_set(options_with(max_memory));
    } catch (...) {
        return nullptr;
    }
}

void cre2_set_free(cre2_set *set) { delete set; }

int cre2_set_add(cre2_set *set, const uint8_t *source, size_t length) {
    try {
        return set->expressions.Add(piece(source, length), nullptr);
    } catch (...) {
        return -1;
    }
}

int cre2_set_compile(cre2_set *set) {
    try {
        return set->expressions.Compile() ? 1 : 0;
    } catch (...) {
        return 0;
    }
}

int cre2_set_matches(const cre2_set *set, const uint8_t *text, size_t length, int *found, size_t capacity) {
    try {
        std::vector<int> indices;
        re2::RE2::Set::ErrorInfo error = {re2::RE2::Set::kNoError};
        if (!set->expressions.Match(piece(text, length), &indices, &error)) {
            return error.kind == re2::RE2::Set::kNoError ? 0 : -1;
        }
        std::copy_n(indices.begin(), std::min(indices.size(), capacity), found);
        return static_cast<int>(indices.size());
    } catch (...) {
        return -1;
    }
}
