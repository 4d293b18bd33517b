#include "tools/e2bird/labels.h"

#include "runtime/base/file.h"

#include <stdlib.h>
#include <string.h>

static int count_lines(const struct e2b_file *file) {
    int lines = 0;
    for (size_t i = 0; i < file->bytes; i++)
        lines += file->data[i] == '\n';
    return lines + (file->bytes > 0 && file->data[file->bytes - 1] != '\n');
}

static void split(struct labels *labels) {
    char *at = labels->text;
    for (int i = 0; i < labels->count; i++) {
        char *end = at + strcspn(at, "\n");
        labels->names[i] = at;
        at = *end ? end + 1 : end;
        *end = 0;
        if (end > labels->names[i] && end[-1] == '\r')
            end[-1] = 0;
    }
}

enum e2b_status labels_read(const char *path, struct labels *out, struct e2b_error *err) {
    memset(out, 0, sizeof *out);
    struct e2b_file file = {0};
    if (!path[0])
        return E2B_OK;
    if (e2b_file_map(path, &file, err) != E2B_OK)
        return err->status;
    if (file.bytes > 0 && memchr(file.data, 0, file.bytes))
        e2b_fail(err, E2B_INVALID, "%s holds a zero byte: labels are a text file", path);
    out->count = count_lines(&file);
    out->text = malloc(file.bytes + 1);
    out->names = calloc((size_t)out->count + 1, sizeof *out->names);
    if (err->status == E2B_OK && (!out->text || !out->names))
        e2b_fail_memory(err, "labels");
    if (err->status == E2B_OK) {
        if (file.bytes > 0)
            memcpy(out->text, file.data, file.bytes);
        out->text[file.bytes] = 0;
        split(out);
    } else {
        labels_finish(out);
    }
    e2b_file_unmap(&file);
    return err->status;
}

void labels_finish(struct labels *labels) {
    free(labels->text);
    free(labels->names);
    memset(labels, 0, sizeof *labels);
}
