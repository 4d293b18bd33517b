#include "runtime/config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 16, MAX_KEYS = 256 };

struct source {
    yaml_parser_t parser;
    const char *name, *text;
    size_t bytes;
    struct e2b_error *err;
};

#define fail_at(source, mark, ...)                                                                 \
    fail_line((source), (int)(mark).line + 1, (int)(mark).column + 1, __VA_ARGS__)
#define fail_line(source, line, column, format, ...)                                               \
    e2b_fail((source)->err, E2B_INVALID, "%s:%d:%d: " format, (source)->name, line, column,        \
        __VA_ARGS__)

/* Bytes that are no UTF-8 have an offset but no mark. */
static enum e2b_status fail_reader(struct source *source) {
    int line = 1, column = 1;
    for (size_t i = 0; i < source->parser.problem_offset && i < source->bytes; i++) {
        column = source->text[i] == '\n' ? 1 : column + 1;
        line += source->text[i] == '\n';
    }
    return fail_line(source, line, column, "is not UTF-8 text: %s", source->parser.problem);
}

static bool is_indented_by_tab(const struct source *source, size_t line) {
    const char *at = source->text, *end = at + source->bytes;
    for (; line > 0 && at; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    while (at && at < end && *at == ' ')
        at++;
    return at && at < end && *at == '\t';
}

static enum e2b_status fail_parser(struct source *source) {
    const yaml_parser_t *parser = &source->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return e2b_fail_memory(source->err, source->name);
    if (parser->error == YAML_READER_ERROR)
        return fail_reader(source);
    if (is_indented_by_tab(source, parser->problem_mark.line))
        return fail_at(
            source, parser->problem_mark, "is not YAML: %s", "a tab is there: indent with spaces");
    return fail_at(source, parser->problem_mark, "is not YAML: %s%s%s", parser->problem,
        parser->context ? " " : "", parser->context ? parser->context : "");
}

static enum e2b_status next(struct source *source, yaml_event_t *event) {
    return yaml_parser_parse(&source->parser, event) ? E2B_OK : fail_parser(source);
}

static bool is_decorated(const yaml_event_t *event) {
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return false;
    }
}

static enum e2b_status copy_text(struct source *source, const yaml_event_t *event, char **out) {
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len))
        return fail_at(source, event->start_mark, "%s", "text may not hold a NUL character");
    *out = strndup(text, len);
    return *out ? E2B_OK : e2b_fail_memory(source->err, source->name);
}

static struct e2b_yaml *add_child(struct source *source, struct e2b_yaml *parent) {
    if ((parent->count & (parent->count - 1)) == 0) { /* full at each power of two */
        size_t capacity = parent->count ? (size_t)parent->count * 2 : 1;
        void *children = realloc(parent->children, capacity * sizeof *parent->children);
        if (!children) {
            e2b_fail_memory(source->err, source->name);
            return NULL;
        }
        parent->children = children;
    }
    struct e2b_yaml *child = &parent->children[parent->count++];
    *child = (struct e2b_yaml){0};
    return child;
}

static enum e2b_status read_node(
    struct source *source, const yaml_event_t *event, int depth, struct e2b_yaml *out);

static enum e2b_status read_key(struct source *source, const yaml_event_t *event,
    const struct e2b_yaml *parent, struct e2b_yaml *child) {
    if (event->type != YAML_SCALAR_EVENT || is_decorated(event))
        return fail_at(source, event->start_mark, "%s", "a key must be a plain word");
    child->key_line = (int)event->start_mark.line + 1;
    child->key_column = (int)event->start_mark.column + 1;
    if (copy_text(source, event, &child->key) != E2B_OK)
        return source->err->status;
    if (parent->count > MAX_KEYS)
        return fail_at(source, event->start_mark, "more than %d keys", MAX_KEYS);
    for (const struct e2b_yaml *other = parent->children; other < child; other++)
        if (strcmp(other->key, child->key) == 0)
            return fail_at(source, event->start_mark, "\"%.40s\" is given twice, first in line %d",
                child->key, other->key_line);
    return E2B_OK;
}

static enum e2b_status read_value(struct source *source, int depth, struct e2b_yaml *out) {
    yaml_event_t event;
    if (next(source, &event) != E2B_OK)
        return source->err->status;
    enum e2b_status status = read_node(source, &event, depth, out);
    yaml_event_delete(&event);
    return status;
}

/* Children up to the event that ends the node. */
static enum e2b_status read_children(struct source *source, int depth, struct e2b_yaml *out) {
    for (;;) {
        yaml_event_t event;
        if (next(source, &event) != E2B_OK)
            return source->err->status;
        bool ended = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        struct e2b_yaml *child = ended ? NULL : add_child(source, out);
        if (child && out->kind == E2B_YAML_SEQUENCE)
            read_node(source, &event, depth, child);
        else if (child && read_key(source, &event, out, child) == E2B_OK)
            read_value(source, depth, child);
        yaml_event_delete(&event);
        if (ended || source->err->status != E2B_OK)
            return source->err->status;
    }
}

static enum e2b_status read_node(
    struct source *source, const yaml_event_t *event, int depth, struct e2b_yaml *out) {
    out->line = (int)event->start_mark.line + 1;
    out->column = (int)event->start_mark.column + 1;
    if (is_decorated(event))
        return fail_at(
            source, event->start_mark, "%s", "anchors, aliases and tags are not supported");
    if (event->type == YAML_SCALAR_EVENT) {
        out->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return copy_text(source, event, &out->text);
    }
    if (depth == MAX_DEPTH)
        return fail_at(source, event->start_mark, "is more than %d levels deep", MAX_DEPTH);
    out->kind = event->type == YAML_MAPPING_START_EVENT ? E2B_YAML_MAPPING : E2B_YAML_SEQUENCE;
    return read_children(source, depth + 1, out);
}

static enum e2b_status next_type(
    struct source *source, yaml_event_type_t *type, yaml_mark_t *mark) {
    yaml_event_t event;
    if (next(source, &event) != E2B_OK)
        return source->err->status;
    *type = event.type;
    *mark = event.start_mark;
    yaml_event_delete(&event);
    return E2B_OK;
}

static enum e2b_status read_document(struct source *source, struct e2b_yaml *out) {
    yaml_event_type_t type;
    yaml_mark_t mark;
    do {
        if (next_type(source, &type, &mark) != E2B_OK)
            return source->err->status;
        if (type == YAML_STREAM_END_EVENT)
            return fail_line(source, 1, 1, "%s", "is empty");
    } while (type != YAML_DOCUMENT_START_EVENT);
    return read_value(source, 0, out);
}

static enum e2b_status expect_end(struct source *source) {
    yaml_event_type_t type;
    yaml_mark_t mark;
    do {
        if (next_type(source, &type, &mark) != E2B_OK)
            return source->err->status;
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail_at(source, mark, "%s", "a second document begins; a file holds one");
    } while (type != YAML_STREAM_END_EVENT);
    return E2B_OK;
}

static enum e2b_status read_text(struct source *source, struct e2b_yaml *out) {
    if (!yaml_parser_initialize(&source->parser))
        return e2b_fail_memory(source->err, source->name);
    yaml_parser_set_encoding(&source->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &source->parser, (const unsigned char *)source->text, source->bytes);
    if (read_document(source, out) == E2B_OK)
        expect_end(source);
    yaml_parser_delete(&source->parser);
    return source->err->status;
}

enum e2b_status e2b_yaml_parse(const char *text, size_t bytes, const char *name,
    struct e2b_yaml **out, struct e2b_error *err) {
    *out = NULL;
    if (bytes > MAX_BYTES)
        return e2b_fail(
            err, E2B_INVALID, "%s: has %zu bytes, more than %d", name, bytes, MAX_BYTES);
    struct e2b_yaml *root = calloc(1, sizeof *root);
    if (!root)
        return e2b_fail_memory(err, name);
    struct source source = {.name = name, .text = text ? text : "", .bytes = bytes, .err = err};
    if (read_text(&source, root) == E2B_OK)
        *out = root;
    else
        e2b_yaml_destroy(root);
    return err->status;
}

static void finish(struct e2b_yaml *node) {
    for (int i = 0; i < node->count; i++)
        finish(&node->children[i]);
    free(node->children);
    free(node->text);
    free(node->key);
}

void e2b_yaml_destroy(struct e2b_yaml *root) {
    if (!root)
        return;
    finish(root);
    free(root);
}

const struct e2b_yaml *e2b_yaml_find(const struct e2b_yaml *node, const char *key) {
    if (!node || node->kind != E2B_YAML_MAPPING)
        return NULL;
    for (int i = 0; i < node->count; i++)
        if (strcmp(node->children[i].key, key) == 0)
            return &node->children[i];
    return NULL;
}

bool e2b_yaml_is_null(const struct e2b_yaml *node) {
    return node->kind == E2B_YAML_SCALAR && node->plain
        && (strcmp(node->text, "") == 0 || strcmp(node->text, "~") == 0
            || strcmp(node->text, "null") == 0);
}
