#include "runtime/config/reader.h"

#include "runtime/base/text.h"
#include "runtime/config/config.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64, MAX_LIST = 64 };

size_t e2b_reader_enter(struct e2b_reader *reader, const char *name, int index) {
    size_t len = strlen(reader->path), room = sizeof reader->path - len;
    if (name)
        snprintf(reader->path + len, room, "%s%.60s", len ? "." : "", name);
    else
        snprintf(reader->path + len, room, "[%d]", index);
    return len;
}

void e2b_reader_leave(struct e2b_reader *reader, size_t len) {
    reader->path[len] = '\0';
}

enum e2b_status e2b_reader_fail_key(
    struct e2b_reader *reader, const struct e2b_yaml *child, const char *const *known) {
    const char *nearest = e2b_text_nearest(child->key, known);
    size_t len = e2b_reader_enter(reader, child->key, 0);
    const struct e2b_yaml at = {.line = child->key_line, .column = child->key_column};
    if (nearest)
        e2b_reader_fail(reader, &at, "unknown key; did you mean \"%s\"?", nearest);
    else if (known[0])
        e2b_reader_fail(reader, &at, "unknown key; \"%s\" is one of the known", known[0]);
    else
        e2b_reader_fail(reader, &at, "%s", "unknown key; none is known here");
    e2b_reader_leave(reader, len);
    return reader->err->status;
}

static enum e2b_status expect_value(struct e2b_reader *reader, const struct e2b_yaml *node) {
    if (node->kind != E2B_YAML_SCALAR)
        return e2b_reader_fail(reader, node, "is a %s where one value is expected",
            node->kind == E2B_YAML_MAPPING ? "mapping" : "list");
    if (e2b_yaml_is_null(node))
        return e2b_reader_fail(reader, node, "%s", "has no value");
    return E2B_OK;
}

static bool parse_integer(const struct e2b_yaml *node, int64_t *out) {
    const char *digits = node->text + (node->text[0] == '-' || node->text[0] == '+');
    if (!node->plain || !digits[0] || digits[strspn(digits, "0123456789")])
        return false;
    *out = strtoll(node->text, NULL, 10); /* saturates, which then is out of bounds */
    return true;
}

enum e2b_status e2b_reader_integer(struct e2b_reader *reader, const struct e2b_yaml *node,
    int64_t min, int64_t max, int64_t *out) {
    if (expect_value(reader, node) != E2B_OK)
        return reader->err->status;
    if (!parse_integer(node, out))
        return e2b_reader_fail(reader, node, "\"%.40s\" is not an integer of %lld..%lld",
            node->text, (long long)min, (long long)max);
    if (*out < min || *out > max)
        return e2b_reader_fail(reader, node, "%.24s is outside %lld..%lld", node->text,
            (long long)min, (long long)max);
    return E2B_OK;
}

static bool parse_number(const struct e2b_yaml *node, double *out) {
    size_t len = strlen(node->text);
    char *end;
    *out = strtod(node->text, &end);
    return node->plain && len && strspn(node->text, "0123456789+-.eE") == len && !*end;
}

static enum e2b_status read_number(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, double *out) {
    if (expect_value(reader, node) != E2B_OK)
        return reader->err->status;
    if (!parse_number(node, out))
        return e2b_reader_fail(reader, node, "\"%.40s\" is not a number of %.12g..%.12g",
            node->text, option->min, option->max);
    if (*out < option->min || *out > option->max)
        return e2b_reader_fail(
            reader, node, "%.24s is outside %.12g..%.12g", node->text, option->min, option->max);
    return E2B_OK;
}

static enum e2b_status read_text(
    struct e2b_reader *reader, const struct e2b_yaml *node, bool is_path, char **out) {
    if (expect_value(reader, node) != E2B_OK)
        return reader->err->status;
    const char *text = node->text;
    bool relative = is_path && text[0] && text[0] != '/' && reader->folder[0];
    if (!relative)
        *out = strdup(text);
    else if (asprintf(out, "%s/%s", reader->folder, text) < 0)
        *out = NULL;
    return *out ? E2B_OK : e2b_fail_memory(reader->err, reader->path);
}

static enum e2b_status read_choice(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, int *out) {
    if (expect_value(reader, node) != E2B_OK)
        return reader->err->status;
    *out = e2b_option_choice(option->choices, node->text);
    if (*out < 0)
        return e2b_reader_fail(
            reader, node, "\"%.40s\" is not one of %s", node->text, option->choices);
    return E2B_OK;
}

static void *field(void *out, size_t offset) {
    return (char *)out + offset;
}

static enum e2b_status read_item(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, int index, void *out) {
    if (option->kind == E2B_OPTION_NUMBERS)
        return read_number(reader, node, option, (double *)field(out, option->offset) + index);
    return e2b_reader_integer(reader, node, (int64_t)option->min, (int64_t)option->max,
        (int64_t *)field(out, option->offset) + index);
}

static enum e2b_status read_list(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, void *out) {
    int *count = field(out, option->count_offset);
    *count = 1;
    if (node->kind != E2B_YAML_SEQUENCE)
        return read_item(reader, node, option, 0, out);
    *count = node->count;
    if (node->count < 1 || node->count > option->length)
        return e2b_reader_fail(
            reader, node, "has %d values; it takes 1..%d", node->count, option->length);
    for (int i = 0; i < node->count; i++) {
        size_t len = e2b_reader_enter(reader, NULL, i);
        if (read_item(reader, &node->children[i], option, i, out) != E2B_OK)
            return reader->err->status;
        e2b_reader_leave(reader, len);
    }
    return E2B_OK;
}

static enum e2b_status read_sequence(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, void *out) {
    if (node->kind != E2B_YAML_SEQUENCE)
        return e2b_reader_fail(reader, node, "%s", "is not a list");
    if (node->count < 1 || node->count > option->length)
        return e2b_reader_fail(
            reader, node, "has %d items; it takes 1..%d", node->count, option->length);
    char *items = calloc((size_t)node->count, option->section->bytes);
    if (!items)
        return e2b_fail_memory(reader->err, reader->path);
    memcpy(field(out, option->offset), &items, sizeof items);
    *(int *)field(out, option->count_offset) = node->count;
    for (int i = 0; i < node->count; i++) {
        size_t len = e2b_reader_enter(reader, NULL, i);
        void *item = items + (size_t)i * option->section->bytes;
        if (e2b_reader_section(reader, option->section, &node->children[i], item) != E2B_OK)
            return reader->err->status;
        e2b_reader_leave(reader, len);
    }
    return E2B_OK;
}

static enum e2b_status read_option(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_option *option, void *out) {
    void *to = field(out, option->offset);
    switch (option->kind) {
    case E2B_OPTION_TEXT:
    case E2B_OPTION_PATH:
        return read_text(reader, node, option->kind == E2B_OPTION_PATH, to);
    case E2B_OPTION_CHOICE:
        return read_choice(reader, node, option, to);
    case E2B_OPTION_INTEGER:
        return e2b_reader_integer(reader, node, (int64_t)option->min, (int64_t)option->max, to);
    case E2B_OPTION_NUMBER:
        return read_number(reader, node, option, to);
    case E2B_OPTION_INTEGERS:
    case E2B_OPTION_NUMBERS:
        return read_list(reader, node, option, out);
    case E2B_OPTION_MAPPING:
        return e2b_reader_section(reader, option->section, node, to);
    case E2B_OPTION_SEQUENCE:
        return read_sequence(reader, node, option, out);
    case E2B_OPTION_SETTINGS: /* its names depend on another option: config.c */
    case E2B_OPTION_SECTION:
        break;
    }
    return E2B_OK;
}

/* A default is written as in YAML, but lists need no brackets. */
static enum e2b_status read_fallback(
    struct e2b_reader *reader, const struct e2b_option *option, void *out) {
    char text[200];
    struct e2b_yaml items[MAX_LIST], node = {.plain = true, .text = text};
    snprintf(text, sizeof text, "%s", option->fallback);
    if (!text[0])
        node.plain = false; /* empty, not absent */
    if (strchr(text, ',')) {
        char *rest;
        node = (struct e2b_yaml){.kind = E2B_YAML_SEQUENCE, .children = items};
        for (char *item = strtok_r(text, ", ", &rest); item && node.count < MAX_LIST;
             item = strtok_r(NULL, ", ", &rest))
            items[node.count++] = (struct e2b_yaml){.plain = true, .text = item};
    }
    return read_option(reader, &node, option, out);
}

static enum e2b_status read_or_default(struct e2b_reader *reader, const struct e2b_option *option,
    const struct e2b_yaml *parent, void *out) {
    const struct e2b_yaml *node = e2b_yaml_find(parent, option->name);
    if (node)
        return read_option(reader, node, option, out);
    if (option->kind == E2B_OPTION_SETTINGS)
        return E2B_OK;
    if (option->kind == E2B_OPTION_MAPPING)
        return e2b_reader_section(reader, option->section, NULL, field(out, option->offset));
    if (option->fallback)
        return read_fallback(reader, option, out);
    if (parent)
        return e2b_reader_fail(reader, parent, "%s", "is missing and has no default");
    /* The section is absent as a whole: required texts are "". */
    char **text = field(out, option->offset);
    *text = strdup("");
    return *text ? E2B_OK : e2b_fail_memory(reader->err, reader->path);
}

static enum e2b_status check_keys(
    struct e2b_reader *reader, const struct e2b_option *section, const struct e2b_yaml *node) {
    const char *known[MAX_NAMES] = {NULL};
    int count = 0;
    for (const struct e2b_option *option = section + 1; option->name; option++)
        known[count++] = option->name;
    for (int i = 0; i < node->count; i++) {
        bool found = false;
        for (int k = 0; k < count; k++)
            found |= strcmp(known[k], node->children[i].key) == 0;
        if (!found)
            return e2b_reader_fail_key(reader, &node->children[i], known);
    }
    return E2B_OK;
}

enum e2b_status e2b_reader_section(struct e2b_reader *reader, const struct e2b_option *section,
    const struct e2b_yaml *node, void *out) {
    if (node && node->kind != E2B_YAML_MAPPING && !e2b_yaml_is_null(node))
        return e2b_reader_fail(
            reader, node, "is not a mapping; it has keys as \"%s:\"", section[1].name);
    if (node && check_keys(reader, section, node) != E2B_OK)
        return reader->err->status;
    for (const struct e2b_option *option = section + 1; option->name; option++) {
        size_t len = e2b_reader_enter(reader, option->name, 0);
        if (read_or_default(reader, option, node, out) != E2B_OK)
            return reader->err->status;
        e2b_reader_leave(reader, len);
    }
    return E2B_OK;
}

static void release_items(const struct e2b_option *option, void *fields) {
    char *items;
    memcpy(&items, field(fields, option->offset), sizeof items);
    int count = *(int *)field(fields, option->count_offset);
    for (int i = 0; i < count; i++)
        e2b_reader_release(option->section, items + (size_t)i * option->section->bytes);
    free(items);
}

void e2b_reader_release(const struct e2b_option *section, void *fields) {
    for (const struct e2b_option *option = section + 1; option->name; option++) {
        void *at = field(fields, option->offset);
        if (option->kind == E2B_OPTION_TEXT || option->kind == E2B_OPTION_PATH)
            free(*(char **)at);
        else if (option->kind == E2B_OPTION_SETTINGS)
            free(((struct e2b_config_settings *)at)->values);
        else if (option->kind == E2B_OPTION_MAPPING)
            e2b_reader_release(option->section, at);
        else if (option->kind == E2B_OPTION_SEQUENCE)
            release_items(option, fields);
    }
}
