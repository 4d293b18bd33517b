#include "runtime/engine/tuning.h"

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/engine/shipped_tuning.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format[] = "e2bird tuning 1";
static const char device_tag[] = "device ";

struct entry {
    uint64_t hash; /* of key */
    char *key;
    bool own; /* to be saved */
    struct e2b_tuned tuned;
};

struct e2b_tuning {
    char device[128], path[PATH_MAX];
    struct entry *entries;
    int count, capacity;
};

enum e2b_status e2b_tuning_create(
    const char *device, struct e2b_tuning **out, struct e2b_error *err) {
    struct e2b_tuning *tuning = calloc(1, sizeof *tuning);
    if (!tuning)
        return e2b_fail_memory(err, "the tuning store");
    snprintf(tuning->device, sizeof tuning->device, "%s", device);
    *out = tuning;
    return E2B_OK;
}

static void set_path(
    struct e2b_tuning *tuning, const struct e2b_device *device, const char *folder) {
    char root[PATH_MAX - 64];
    e2b_file_cache_folder(folder, root, sizeof root);
    uint64_t hash = e2b_hash(E2B_HASH_START, device->identity, strlen(device->identity));
    if (root[0])
        snprintf(tuning->path, sizeof tuning->path, "%s/tuning/%016" PRIx64 ".tune", root, hash);
}

enum e2b_status e2b_tuning_open(const struct e2b_device *device, const char *cache_folder,
    struct e2b_tuning **out, struct e2b_error *err) {
    if (e2b_tuning_create(device->traits.device, out, err) != E2B_OK)
        return err->status;
    set_path(*out, device, cache_folder);
    if ((*out)->path[0])
        e2b_tuning_load(*out, (*out)->path);
    for (const struct e2b_source *const *file = e2b_shipped_tuning; *file; file++)
        e2b_tuning_load_shipped(*out, (*file)->text, (*file)->bytes, (*file)->path);
    return E2B_OK;
}

void e2b_tuning_destroy(struct e2b_tuning *tuning) {
    if (!tuning)
        return;
    for (int i = 0; i < tuning->count; i++)
        free(tuning->entries[i].key);
    free(tuning->entries);
    free(tuning);
}

const char *e2b_tuning_path(const struct e2b_tuning *tuning) {
    return tuning->path;
}

int e2b_tuning_count(const struct e2b_tuning *tuning) {
    return tuning->count;
}

static struct entry *find(const struct e2b_tuning *tuning, const char *key) {
    uint64_t hash = e2b_hash(E2B_HASH_START, key, strlen(key));
    for (int i = 0; i < tuning->count; i++)
        if (tuning->entries[i].hash == hash && !strcmp(tuning->entries[i].key, key))
            return &tuning->entries[i];
    return NULL;
}

const struct e2b_tuned *e2b_tuning_find(const struct e2b_tuning *tuning, const char *key) {
    struct entry *entry = tuning ? find(tuning, key) : NULL;
    return entry ? &entry->tuned : NULL;
}

/* A new entry at the end, without its values; NULL when out of memory. */
static struct entry *append(struct e2b_tuning *tuning, const char *key) {
    if (tuning->count == tuning->capacity) {
        int capacity = tuning->capacity ? 2 * tuning->capacity : 64;
        struct entry *entries = realloc(tuning->entries, (size_t)capacity * sizeof *entries);
        if (!entries)
            return NULL;
        tuning->entries = entries;
        tuning->capacity = capacity;
    }
    char *copy = strdup(key);
    if (!copy)
        return NULL;
    struct entry *entry = &tuning->entries[tuning->count++];
    *entry = (struct entry){.hash = e2b_hash(E2B_HASH_START, key, strlen(key)), .key = copy};
    return entry;
}

enum e2b_status e2b_tuning_put(struct e2b_tuning *tuning, const char *key,
    const struct e2b_tuned *tuned, struct e2b_error *err) {
    struct entry *entry = find(tuning, key);
    if (!entry)
        entry = append(tuning, key);
    if (!entry)
        return e2b_fail_memory(err, "a tuning result");
    entry->tuned = *tuned;
    entry->own = true;
    return E2B_OK;
}

/* "variant candidate best_ns default_ns fingerprint key"; false if it is not that. */
static bool parse_line(const char *line, struct e2b_tuned *tuned, const char **key) {
    int end = -1;
    if (sscanf(line, "%31s %d %" SCNd64 " %" SCNd64 " %" SCNx64 " %n", tuned->variant,
            &tuned->candidate, &tuned->best_ns, &tuned->default_ns, &tuned->fingerprint, &end)
            != 5
        || end < 0)
        return false;
    *key = line + end;
    return **key && tuned->candidate >= 0 && tuned->best_ns > 0 && tuned->default_ns > 0;
}

/* A text line by line. */
struct lines {
    const char *at, *end;
    struct e2b_text line;
};

static bool next_line(struct lines *lines) {
    if (lines->at == lines->end)
        return false;
    const char *stop = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    size_t len = (size_t)((stop ? stop : lines->end) - lines->at);
    lines->line.len = 0;
    e2b_text_add_bytes(&lines->line, lines->at, len);
    lines->at += stop ? len + 1 : len;
    return !lines->line.failed;
}

/* The device that the head of a file names; NULL if the file is of another kind or version. */
static const char *read_head(struct lines *lines) {
    if (!next_line(lines) || strcmp(lines->line.data, format) != 0 || !next_line(lines)
        || strncmp(lines->line.data, device_tag, strlen(device_tag)) != 0)
        return NULL;
    return lines->line.data + strlen(device_tag);
}

/* Returns how many lines made no sense. */
static int read_entries(struct e2b_tuning *tuning, struct lines *lines, bool own) {
    int damaged = 0;
    while (next_line(lines)) {
        struct e2b_tuned tuned = {0};
        const char *key;
        if (!parse_line(lines->line.data, &tuned, &key)) {
            damaged++;
            continue;
        }
        struct entry *entry = find(tuning, key) ? NULL : append(tuning, key);
        if (entry) {
            entry->tuned = tuned;
            entry->own = own;
        }
    }
    return damaged;
}

static void read_text(
    struct e2b_tuning *tuning, const char *text, size_t bytes, const char *name, bool own) {
    struct lines lines = {.at = text, .end = text + bytes};
    const char *device = read_head(&lines);
    if (!device)
        e2b_log(E2B_LOG_WARN, "tuning", "%s: is no tuning file of this version; ignored", name);
    else if (!strcmp(device, tuning->device)) {
        int damaged = read_entries(tuning, &lines, own);
        if (damaged)
            e2b_log(E2B_LOG_WARN, "tuning", "%s: %d damaged lines are ignored", name, damaged);
    } else if (own) {
        e2b_log(E2B_LOG_WARN, "tuning", "%s: is of device \"%.100s\"; ignored", name, device);
    }
    e2b_text_finish(&lines.line);
}

void e2b_tuning_load(struct e2b_tuning *tuning, const char *path) {
    struct e2b_file file = {0};
    struct e2b_error err = {0};
    if (e2b_file_map(path, &file, &err) == E2B_OK)
        read_text(tuning, (const char *)file.data, file.bytes, path, true);
    else if (err.status != E2B_NOT_FOUND)
        e2b_log(E2B_LOG_WARN, "tuning", "%s; ignored", err.text);
    e2b_file_unmap(&file);
}

void e2b_tuning_load_shipped(
    struct e2b_tuning *tuning, const char *text, size_t bytes, const char *name) {
    read_text(tuning, text, bytes, name, false);
}

static enum e2b_status make_folder_of(const char *path, struct e2b_error *err) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return E2B_OK;
    *slash = '\0';
    return e2b_file_make_folder(folder, err);
}

enum e2b_status e2b_tuning_save(
    struct e2b_tuning *tuning, const char *path, struct e2b_error *err) {
    struct e2b_text text = {0};
    e2b_tuning_load(tuning, path);
    e2b_text_add(&text, "%s\n%s%s\n", format, device_tag, tuning->device);
    for (int i = 0; i < tuning->count; i++) {
        const struct entry *entry = &tuning->entries[i];
        const struct e2b_tuned *tuned = &entry->tuned;
        if (entry->own)
            e2b_text_add(&text, "%s %d %" PRId64 " %" PRId64 " %016" PRIx64 " %s\n", tuned->variant,
                tuned->candidate, tuned->best_ns, tuned->default_ns, tuned->fingerprint,
                entry->key);
    }
    if (text.failed)
        e2b_fail_memory(err, "the tuning results");
    else if (make_folder_of(path, err) == E2B_OK)
        e2b_file_replace(path, text.data, text.len, err);
    e2b_text_finish(&text);
    return err->status;
}

/* Strides of dimensions that have but one element say nothing: "_". */
static void add_operand(const struct e2b_operand *operand, struct e2b_text *out) {
    const struct e2b_tensor *tensor = &operand->tensor;
    if (!operand->present) {
        e2b_text_add(out, " -");
        return;
    }
    char shape[128];
    e2b_text_add(out, " %s:%s", e2b_dtype_name(tensor->dtype),
        e2b_shape_print(&tensor->shape, shape, sizeof shape));
    if (operand->constant) {
        e2b_text_add(out, "=");
        return;
    }
    for (int i = 0; i < tensor->shape.rank; i++) {
        e2b_text_add(out, "%s", i ? "," : "/");
        if (tensor->shape.dims[i] == 1)
            e2b_text_add(out, "_");
        else
            e2b_text_add(out, "%" PRId64, tensor->stride[i]);
    }
}

void e2b_tuning_key(const struct e2b_call *call, struct e2b_text *out) {
    uint64_t params = e2b_hash(E2B_HASH_START, call->params, call->op->params_bytes);
    e2b_text_add(out, "%s#%016" PRIx64, call->op->name, params);
    for (int i = 0; i < call->input_count; i++)
        add_operand(&call->inputs[i], out);
    e2b_text_add(out, " ->");
    for (int i = 0; i < call->output_count; i++)
        add_operand(&call->outputs[i], out);
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    return text ? e2b_hash(hash, text, strlen(text) + 1) : hash;
}

uint64_t e2b_tuning_fingerprint(const struct e2b_launch_list *list) {
    uint64_t hash = E2B_HASH_START;
    for (int i = 0; i < list->launch_count; i++) {
        const struct e2b_launch *launch = &list->launches[i];
        hash = hash_text(hash, launch->source ? launch->source->path : launch->routine);
        hash = hash_text(hash_text(hash, launch->kernel), launch->options);
        for (int d = 0; d < 3; d++) {
            const uint64_t size[2] = {launch->global[d], launch->local[d]};
            hash = e2b_hash(hash, size, sizeof size);
        }
    }
    return hash;
}
