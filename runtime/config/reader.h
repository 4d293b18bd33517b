/* Fill the configuration's structs from a YAML tree by the table of options: kinds, bounds, unknown
 * and missing keys. Relations between options are config.c's matter. */
#ifndef E2B_CONFIG_READER_H
#define E2B_CONFIG_READER_H

#include "runtime/base/status.h"
#include "runtime/config/options.h"
#include "runtime/config/yaml.h"
#include <stdint.h>

struct e2b_reader {
    const char *file;   /* for errors */
    const char *folder; /* that paths are relative to; "": the working directory */
    struct e2b_error *err;
    char path[200]; /* of the option at hand, e.g. "models[0].image.mean" */
};

/* Read a section from node into the zeroed struct at `out`; absent options get their defaults. node
 * NULL: defaults throughout. On failure too, `out` may be released. */
enum e2b_status e2b_reader_section(struct e2b_reader *reader, const struct e2b_option *section,
    const struct e2b_yaml *node, void *out);

/* Free what the struct's fields hold, not the struct. */
void e2b_reader_release(const struct e2b_option *section, void *fields);

/* An integer in the plain notation of YAML, inside min..max. */
enum e2b_status e2b_reader_integer(
    struct e2b_reader *reader, const struct e2b_yaml *node, int64_t min, int64_t max, int64_t *out);

/* INVALID with "file:line:column: path: ..." */
#define e2b_reader_fail(reader, node, format, ...)                                                 \
    e2b_fail((reader)->err, E2B_INVALID, "%s:%d:%d: %s%s" format, (reader)->file, (node)->line,    \
        (node)->column, (reader)->path, (reader)->path[0] ? ": " : "", __VA_ARGS__)
enum e2b_status e2b_reader_fail_key(struct e2b_reader *reader, const struct e2b_yaml *child,
    const char *const *known); /* an unknown key; known ends with NULL */

/* Append ".name" or "[index]" (name NULL) to path; set it back by giving leave what enter returned.
 */
size_t e2b_reader_enter(struct e2b_reader *reader, const char *name, int index);
void e2b_reader_leave(struct e2b_reader *reader, size_t len);

#endif
