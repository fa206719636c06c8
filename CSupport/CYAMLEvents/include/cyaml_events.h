// The events of libyaml's parser behind plain C: nothing is built of them, so what a document costs is for the reader to bound.
#ifndef TOCSIN_CYAML_EVENTS_H
#define TOCSIN_CYAML_EVENTS_H

#include <stddef.h>
#include <stdint.h>

// Kinds of events.
#define CYAML_FAILURE 0  // not YAML, or no memory; nothing follows
#define CYAML_STREAM_END 1
#define CYAML_DOCUMENT_START 2
#define CYAML_DOCUMENT_END 3
#define CYAML_ALIAS 4
#define CYAML_SCALAR 5
#define CYAML_SEQUENCE_START 6
#define CYAML_SEQUENCE_END 7
#define CYAML_MAPPING_START 8
#define CYAML_MAPPING_END 9

typedef struct cyaml_events cyaml_events;

// An event. What it points to is valid until the next one is asked for.
typedef struct {
    int kind;
    int has_anchor;
    int is_plain;         // of a scalar: without quotes and not a block
    size_t line;          // counting from 0
    const uint8_t *tag;   // null: none
    size_t tag_length;
    const uint8_t *text;  // the value of a scalar, valid UTF-8; why it failed; else null
    size_t text_length;
} cyaml_event;

// A parser of UTF-8 that stays the caller's and must outlive it. Null when there is no memory.
cyaml_events *cyaml_events_new(const uint8_t *bytes, size_t length);
void cyaml_events_free(cyaml_events *events);

// Reads the next event. Not to be called again after CYAML_FAILURE or CYAML_STREAM_END.
void cyaml_events_next(cyaml_events *events, cyaml_event *event);

#endif
