#include "backends/opencl/ptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION "-DPTX_TARGET="
#define COMMENT "// @ptx "
#define DIRECTIVE ".target "

bool e2b_ptx_target(const char *options, char *target, size_t capacity) {
    const char *at = strstr(options, OPTION);
    if (!at)
        return false;
    at += sizeof OPTION - 1;
    snprintf(target, capacity, "%.*s", (int)strcspn(at, " "), at);
    return target[0] != '\0';
}

static bool starts(const char *at, const char *end, const char *word) {
    size_t length = strlen(word);
    return (size_t)(end - at) >= length && !memcmp(at, word, length);
}

char *e2b_ptx_retarget(const char *text, size_t length, const char *target, size_t *bytes) {
    const char *end = memchr(text, '\0', length);
    end = end ? end : text + length;
    char *out = malloc((size_t)(end - text) + strlen(target) + 1), *to = out;
    bool found = false;
    if (!out)
        return NULL;
    for (const char *at = text; at < end;) {
        if (starts(at, end, COMMENT)) {
            at += sizeof COMMENT - 1;
        } else if (!found && starts(at, end, DIRECTIVE)) {
            to += sprintf(to, DIRECTIVE "%s", target);
            for (at += sizeof DIRECTIVE - 1; at < end && *at != ',' && *at != '\n'; at++)
                continue;
            found = true;
        } else {
            *to++ = *at++;
        }
    }
    *to++ = '\0';
    *bytes = (size_t)(to - out);
    return out;
}
