#include "cyaml_events.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct cyaml_events {
    yaml_parser_t parser;
    yaml_event_t event;
    int has_event;
};

cyaml_events *cyaml_events_new(const uint8_t *bytes, size_t length) {
    cyaml_events *events = calloc(1, sizeof *events);
    if (events == NULL) { return NULL; }
    if (!yaml_parser_initialize(&events->parser)) {
        free(events);
        return NULL;
    }
    yaml_parser_set_encoding(&events->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&events->parser, bytes, length);
    return events;
}

void cyaml_events_free(cyaml_events *events) {
    if (events == NULL) { return; }
    if (events->has_event) { yaml_event_delete(&events->event); }
    yaml_parser_delete(&events->parser);
    free(events);
}

static void set_tag(cyaml_event *event, const yaml_char_t *tag) {
    event->tag = tag;
    event->tag_length = tag == NULL ? 0 : strlen((const char *)tag);
}

static void fail(const yaml_parser_t *parser, cyaml_event *event) {
    const char *problem = parser->problem != NULL ? parser->problem : "there is no memory for it";
    event->kind = CYAML_FAILURE;
    event->line = parser->problem_mark.line;
    event->text = (const uint8_t *)problem;
    event->text_length = strlen(problem);
}

static void fill(const yaml_event_t *from, cyaml_event *event) {
    event->line = from->start_mark.line;
    switch (from->type) {
    case YAML_DOCUMENT_START_EVENT: event->kind = CYAML_DOCUMENT_START; break;
    case YAML_DOCUMENT_END_EVENT: event->kind = CYAML_DOCUMENT_END; break;
    case YAML_ALIAS_EVENT: event->kind = CYAML_ALIAS; break;
    case YAML_SCALAR_EVENT:
        event->kind = CYAML_SCALAR;
        event->has_anchor = from->data.scalar.anchor != NULL;
        event->is_plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        event->text = from->data.scalar.value;
        event->text_length = from->data.scalar.length;
        set_tag(event, from->data.scalar.tag);
        break;
    case YAML_SEQUENCE_START_EVENT:
        event->kind = CYAML_SEQUENCE_START;
        event->has_anchor = from->data.sequence_start.anchor != NULL;
        set_tag(event, from->data.sequence_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT: event->kind = CYAML_SEQUENCE_END; break;
    case YAML_MAPPING_START_EVENT:
        event->kind = CYAML_MAPPING_START;
        event->has_anchor = from->data.mapping_start.anchor != NULL;
        set_tag(event, from->data.mapping_start.tag);
        break;
    case YAML_MAPPING_END_EVENT: event->kind = CYAML_MAPPING_END; break;
    default: event->kind = CYAML_STREAM_END; break;
    }
}

void cyaml_events_next(cyaml_events *events, cyaml_event *event) {
    memset(event, 0, sizeof *event);
    do {
        if (events->has_event) { yaml_event_delete(&events->event); }
        events->has_event = yaml_parser_parse(&events->parser, &events->event);
        if (!events->has_event) {
            fail(&events->parser, event);
            return;
        }
    } while (events->event.type == YAML_STREAM_START_EVENT);
    fill(&events->event, event);
}
