/* Names of classes: a text file, one a line. */
#ifndef E2B_TOOLS_LABELS_H
#define E2B_TOOLS_LABELS_H

#include "runtime/base/status.h"

struct labels {
    char *text;
    const char **names; /* into text */
    int count;
};

/* An empty path gives no labels. */
enum e2b_status labels_read(const char *path, struct labels *out, struct e2b_error *err);
void labels_finish(struct labels *labels); /* zeroed is fine */

#endif
