// RE2 regular expressions behind plain C: linear time, UTF-8, capped memory, nothing logged.
#ifndef TOCSIN_CRE2_H
#define TOCSIN_CRE2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Statuses.
#define CRE2_OK 0
#define CRE2_SYNTAX 1     // not an expression RE2 understands
#define CRE2_TOO_LARGE 2  // needs more than max_memory, or there is no memory

typedef struct cre2_pattern cre2_pattern;

// Compiles an expression of `length` bytes that needs no NUL. On CRE2_OK *pattern is the caller's to free,
// else it is null and RE2's message, cut to fit and NUL-terminated, is in error[0 ..< error_capacity].
// max_memory, bytes and above 0, caps the program and the caches that matching builds up later.
int cre2_new(
    const uint8_t *source, size_t length, int64_t max_memory,
    char *error, size_t error_capacity, cre2_pattern **pattern);
void cre2_free(cre2_pattern *pattern);

// 1 if the expression matches anywhere in the text, else 0. May be called from several threads at once.
int cre2_matches(const cre2_pattern *pattern, const uint8_t *text, size_t length);

// Instructions of the compiled program: what a match costs for each byte at worst.
int cre2_program_size(const cre2_pattern *pattern);

// Writes an expression that matches exactly these bytes; answers its length, at most 4 x length.
// Nothing is written beyond `capacity`.
size_t cre2_escape(const uint8_t *literal, size_t length, uint8_t *out, size_t capacity);

typedef struct cre2_set cre2_set;

// Many expressions that are matched in one pass over a text. To be filled by cre2_set_add, then compiled, then only matched.
// Null when there is no memory. max_memory as for cre2_new.
cre2_set *cre2_set_new(int64_t max_memory);
void cre2_set_free(cre2_set *set);

// Adds an expression: its index, counting from 0, or -1 when it is refused.
int cre2_set_add(cre2_set *set, const uint8_t *source, size_t length);

// 1 when the set can be matched now, 0 when it does not fit into the memory allowed.
int cre2_set_compile(cre2_set *set);

// Writes the indices of the expressions that match anywhere in the text, in no order, to found[0 ..< capacity], and answers how many
// match; -1 when that could not be found out within the memory allowed. May be called from several threads at once.
int cre2_set_matches(const cre2_set *set, const uint8_t *text, size_t length, int *found, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
