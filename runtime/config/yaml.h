/* A YAML text as a tree in which each node knows where it stood. One document, UTF-8, at most 1 MiB
 * and 16 levels deep; keys are unique; no anchors, aliases or tags, so that a small text cannot
 * mean a huge tree. */
#ifndef E2B_CONFIG_YAML_H
#define E2B_CONFIG_YAML_H

#include "runtime/base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum e2b_yaml_kind { E2B_YAML_SCALAR, E2B_YAML_SEQUENCE, E2B_YAML_MAPPING };

struct e2b_yaml {
    enum e2b_yaml_kind kind;
    int line, column; /* from 1 */
    char *text;       /* scalar, without NUL bytes inside */
    bool plain;       /* scalar without quotes */
    char *key;        /* of a mapping's child, else NULL */
    int key_line, key_column;
    struct e2b_yaml *children;
    int count;
};

/* name stands for the text in errors: name:line:column: what. An empty text is INVALID. */
enum e2b_status e2b_yaml_parse(
    const char *text, size_t bytes, const char *name, struct e2b_yaml **out, struct e2b_error *err);
void e2b_yaml_destroy(struct e2b_yaml *root); /* NULL is fine */

/* Child of a mapping, NULL if there is none or the node is no mapping. node may be NULL. */
const struct e2b_yaml *e2b_yaml_find(const struct e2b_yaml *node, const char *key);
bool e2b_yaml_is_null(const struct e2b_yaml *node); /* nothing, ~ or null */

#endif
