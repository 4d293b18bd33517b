#include "tools/lab/table.h"

#include "runtime/base/file.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "model,size,solo_ns,demand,host_ns,upload_ns,download_ns"

const struct e2b_lab_timing *e2b_lab_table_find(
    const struct e2b_lab_table *table, const char *model) {
    for (int i = 0; i < table->count; i++)
        if (!strcmp(table->models[i].name, model))
            return &table->models[i];
    return NULL;
}

static struct e2b_lab_timing *find_or_add(struct e2b_lab_table *table, const char *name) {
    const struct e2b_lab_timing *found = e2b_lab_table_find(table, name);
    if (found)
        return &table->models[found - table->models];
    if (table->count == E2B_LAB_MAX_MODELS)
        return NULL;
    struct e2b_lab_timing *added = &table->models[table->count++];
    snprintf(added->name, sizeof added->name, "%s", name);
    return added;
}

static enum e2b_status take_line(
    struct e2b_lab_table *table, const char *line, struct e2b_error *err) {
    char name[E2B_LAB_NAME];
    int size, used = 0;
    long long solo_ns, host_ns, upload_ns, download_ns;
    double demand;
    if (sscanf(line, "%63[^,],%d,%lld,%lf,%lld,%lld,%lld %n", name, &size, &solo_ns, &demand,
            &host_ns, &upload_ns, &download_ns, &used)
            != 7
        || line[used])
        return e2b_fail(err, E2B_INVALID, "\"%.60s\": expected %s", line, HEADER);
    struct e2b_lab_timing *timing = find_or_add(table, name);
    if (!timing || timing->size_count == E2B_SCHED_MAX_SIZES)
        return e2b_fail(err, E2B_INVALID, "more than %d models or %d sizes of one",
            E2B_LAB_MAX_MODELS, E2B_SCHED_MAX_SIZES);
    int last = timing->size_count ? timing->sizes[timing->size_count - 1] : 0;
    if (size <= last || solo_ns < 1 || host_ns < 0 || host_ns >= solo_ns || upload_ns < 0
        || download_ns < 0 || !(demand > 0) || demand > 1)
        return e2b_fail(err, E2B_INVALID,
            "\"%.60s\": sizes ascend, times are positive, host_ns is less than solo_ns, a demand "
            "is "
            "0..1",
            line);
    timing->sizes[timing->size_count] = size;
    timing->demand[timing->size_count] = demand;
    timing->host_ns[timing->size_count] = host_ns;
    timing->solo_ns[timing->size_count++] = solo_ns;
    timing->upload_ns = upload_ns;
    timing->download_ns = download_ns;
    return E2B_OK;
}

static enum e2b_status take_lines(struct e2b_lab_table *table, char *text, struct e2b_error *err) {
    char *rest = NULL;
    int kept = 0;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (kept++ > 0 && take_line(table, line, err) != E2B_OK)
            return err->status;
        if (kept == 1 && strcmp(line, HEADER) != 0)
            return e2b_fail(err, E2B_INVALID, "the first line is not %s", HEADER);
    }
    return table->count ? E2B_OK : e2b_fail(err, E2B_INVALID, "no model is in it");
}

enum e2b_status e2b_lab_table_read(
    const char *path, struct e2b_lab_table *out, struct e2b_error *err) {
    struct e2b_file file = {0};
    memset(out, 0, sizeof *out);
    if (e2b_file_map(path, &file, err) != E2B_OK)
        return err->status;
    char *text = strndup(file.data ? (const char *)file.data : "", file.bytes);
    if (text)
        take_lines(out, text, err);
    else
        e2b_fail_memory(err, "a table");
    free(text);
    e2b_file_unmap(&file);
    return err->status == E2B_OK ? E2B_OK : e2b_error_while(err, "reading %s", path);
}

static void print_rows(const struct e2b_lab_timing *timing, struct e2b_text *text) {
    for (int i = 0; i < timing->size_count; i++)
        e2b_text_add(text, "%s,%d,%lld,%.4f,%lld,%lld,%lld\n", timing->name, timing->sizes[i],
            (long long)timing->solo_ns[i], timing->demand[i], (long long)timing->host_ns[i],
            (long long)timing->upload_ns, (long long)timing->download_ns);
}

enum e2b_status e2b_lab_table_write(const char *path, const struct e2b_lab_table *table,
    const char *comment, struct e2b_error *err) {
    struct e2b_text text = {0};
    e2b_text_add(&text, "# %s\n%s\n", comment, HEADER);
    for (int i = 0; i < table->count; i++)
        print_rows(&table->models[i], &text);
    if (text.failed)
        e2b_fail_memory(err, "a table");
    else
        e2b_file_replace(path, text.data, text.len, err);
    e2b_text_finish(&text);
    return err->status;
}
