#include "runtime/config/config.h"

#include "runtime/base/file.h"
#include "runtime/config/reader.h"
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_NAME = 100, MAX_POLICIES = 32, MAX_POLICY_OPTIONS = 32 };

/* Where to point for an option: at its value, or at what should hold it if it has its default. */
static const struct e2b_yaml *place(const struct e2b_yaml *node, const char *key) {
    const struct e2b_yaml *child = e2b_yaml_find(node, key);
    return child ? child : node;
}

#define fail_option(reader, node, key, ...)                                                        \
    (e2b_reader_enter((reader), (key), 0),                                                         \
        e2b_reader_fail((reader), place((node), (key)), __VA_ARGS__))

static enum e2b_status find_policy(struct e2b_reader *reader, const struct e2b_yaml *scheduler,
    const char *name, const struct e2b_policy_ops **out) {
    *out = e2b_policy_find(name);
    if (*out)
        return E2B_OK;
    const char *names[MAX_POLICIES + 1] = {NULL};
    const struct e2b_policy_ops *const *policies = e2b_policy_all();
    for (int i = 0; i < MAX_POLICIES && policies[i]; i++)
        names[i] = policies[i]->name;
    const char *nearest = e2b_text_nearest(name, names);
    return fail_option(reader, scheduler, "policy", "unknown policy \"%.40s\"; %s \"%s\"", name,
        nearest ? "did you mean" : "there is", nearest ? nearest : names[0]);
}

static enum e2b_status check_setting_names(struct e2b_reader *reader,
    const struct e2b_policy_option *options, const struct e2b_yaml *node) {
    const char *known[MAX_POLICY_OPTIONS + 1] = {NULL};
    for (int i = 0; options && i < MAX_POLICY_OPTIONS && options[i].name; i++)
        known[i] = options[i].name;
    for (int i = 0; i < node->count; i++) {
        bool found = false;
        for (int k = 0; known[k]; k++)
            found |= strcmp(known[k], node->children[i].key) == 0;
        if (!found)
            return e2b_reader_fail_key(reader, &node->children[i], known);
    }
    return E2B_OK;
}

static enum e2b_status read_settings(struct e2b_reader *reader,
    const struct e2b_policy_option *options, const struct e2b_yaml *node,
    struct e2b_config_settings *out) {
    while (options && options[out->count].name)
        out->count++;
    if (out->count == 0)
        return E2B_OK;
    out->values = calloc((size_t)out->count, sizeof *out->values);
    if (!out->values)
        return e2b_fail_memory(reader->err, reader->path);
    for (int i = 0; i < out->count; i++) {
        const struct e2b_yaml *value = e2b_yaml_find(node, options[i].name);
        out->values[i] = options[i].fallback;
        size_t len = e2b_reader_enter(reader, options[i].name, 0);
        if (value
            && e2b_reader_integer(reader, value, options[i].min, options[i].max, &out->values[i])
                != E2B_OK)
            return reader->err->status;
        e2b_reader_leave(reader, len);
    }
    return E2B_OK;
}

static enum e2b_status check_scheduler(struct e2b_reader *reader, const struct e2b_yaml *node,
    struct e2b_config_scheduler *scheduler) {
    const struct e2b_yaml *options = e2b_yaml_find(node, "options");
    const struct e2b_policy_ops *policy;
    if (find_policy(reader, node, scheduler->policy, &policy) != E2B_OK)
        return reader->err->status;
    e2b_reader_enter(reader, "options", 0);
    if (options && options->kind != E2B_YAML_MAPPING && !e2b_yaml_is_null(options))
        return e2b_reader_fail(reader, options, "%s", "is not a mapping of names to integers");
    if (options && check_setting_names(reader, policy->options, options) != E2B_OK)
        return reader->err->status;
    return read_settings(reader, policy->options, options, &scheduler->options);
}

static enum e2b_status check_name(struct e2b_reader *reader, const struct e2b_yaml *node,
    const struct e2b_config *config, int index) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = config->models[index].name;
    size_t len = strlen(name);
    if (len < 1 || len > 128 || name[strspn(name, letters)])
        return fail_option(reader, node, "name", "\"%.40s\" is not 1..128 of %s", name,
            "letters, digits, \".\", \"_\" and \"-\"");
    for (int i = 0; i < index; i++)
        if (strcmp(config->models[i].name, name) == 0)
            return fail_option(
                reader, node, "name", "\"%.40s\" is the name of models[%d] already", name, i);
    return E2B_OK;
}

static enum e2b_status check_sizes(
    struct e2b_reader *reader, const struct e2b_yaml *node, const struct e2b_config_model *model) {
    for (int i = 1; i < model->batch_sizes_count; i++)
        if (model->batch_sizes[i] <= model->batch_sizes[i - 1])
            return fail_option(reader, node, "batch_sizes", "is not ascending: %lld after %lld",
                (long long)model->batch_sizes[i], (long long)model->batch_sizes[i - 1]);
    int64_t largest = model->batch_sizes[model->batch_sizes_count - 1];
    if (largest > model->slots)
        return fail_option(reader, node, "batch_sizes",
            "%lld is more than slots, %lld; raise slots or drop it", (long long)largest,
            (long long)model->slots);
    return E2B_OK;
}

static enum e2b_status spread_instances(
    struct e2b_reader *reader, const struct e2b_yaml *node, struct e2b_config_model *model) {
    if (model->instances_count == 1)
        for (int i = 1; i < model->batch_sizes_count; i++)
            model->instances[i] = model->instances[0];
    else if (model->instances_count != model->batch_sizes_count)
        return fail_option(reader, node, "instances",
            "has %d values for %d batch sizes; give one, or one a batch size",
            model->instances_count, model->batch_sizes_count);
    model->instances_count = model->batch_sizes_count;
    return E2B_OK;
}

static enum e2b_status spread_channels(struct e2b_reader *reader, const struct e2b_yaml *image,
    const char *key, double values[3], int *count) {
    if (*count == 1)
        values[1] = values[2] = values[0];
    else if (*count != 3)
        return fail_option(reader, image, key,
            "has %d values; give one, or three for red, green and blue", *count);
    *count = 3;
    return E2B_OK;
}

static enum e2b_status check_image(
    struct e2b_reader *reader, const struct e2b_yaml *node, struct e2b_config_image *image) {
    e2b_reader_enter(reader, "image", 0);
    if (spread_channels(reader, node, "mean", image->mean, &image->mean_count) != E2B_OK)
        return reader->err->status;
    return spread_channels(reader, node, "std", image->std, &image->std_count);
}

static enum e2b_status check_model(
    struct e2b_reader *reader, const struct e2b_yaml *node, struct e2b_config *config, int index) {
    struct e2b_config_model *model = &config->models[index];
    if (check_name(reader, node, config, index) != E2B_OK
        || check_sizes(reader, node, model) != E2B_OK
        || spread_instances(reader, node, model) != E2B_OK)
        return reader->err->status;
    return check_image(reader, e2b_yaml_find(node, "image"), &model->image);
}

static enum e2b_status check_models(
    struct e2b_reader *reader, const struct e2b_yaml *node, struct e2b_config *config) {
    for (int i = 0; i < config->models_count; i++) {
        size_t len = e2b_reader_enter(reader, NULL, i);
        if (check_model(reader, &node->children[i], config, i) != E2B_OK)
            return reader->err->status;
        e2b_reader_leave(reader, len);
    }
    return E2B_OK;
}

static enum e2b_status read_config(
    struct e2b_reader *reader, const struct e2b_yaml *root, struct e2b_config *config) {
    if (e2b_yaml_is_null(root))
        return e2b_reader_fail(reader, root, "%s", "is empty; it needs \"models\"");
    if (e2b_reader_section(reader, e2b_options, root, config) != E2B_OK)
        return reader->err->status;
    e2b_reader_enter(reader, "scheduler", 0);
    if (check_scheduler(reader, e2b_yaml_find(root, "scheduler"), &config->scheduler) != E2B_OK)
        return reader->err->status;
    e2b_reader_leave(reader, 0);
    e2b_reader_enter(reader, "models", 0);
    return check_models(reader, e2b_yaml_find(root, "models"), config);
}

/* What a file holds may be quoted in the error, which stays one line. */
static void keep_one_line(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

/* The end of a long name, so that the message behind it has room. */
static const char *short_name(const char *name) {
    size_t len = strlen(name);
    return len > MAX_FILE_NAME ? name + len - MAX_FILE_NAME : name;
}

enum e2b_status e2b_config_parse(const char *text, size_t bytes, const char *name,
    const char *folder, struct e2b_config **out, struct e2b_error *err) {
    struct e2b_reader reader = {.file = short_name(name), .folder = folder, .err = err};
    struct e2b_yaml *root = NULL;
    *out = NULL;
    struct e2b_config *config = calloc(1, sizeof *config);
    if (!config)
        return e2b_fail_memory(err, reader.file);
    if (e2b_yaml_parse(text, bytes, reader.file, &root, err) == E2B_OK
        && read_config(&reader, root, config) == E2B_OK) {
        *out = config;
    } else {
        e2b_config_destroy(config);
        keep_one_line(err->text);
    }
    e2b_yaml_destroy(root);
    return err->status;
}

enum e2b_status e2b_config_load(const char *path, struct e2b_config **out, struct e2b_error *err) {
    struct e2b_file file;
    *out = NULL;
    if (e2b_file_map(path, &file, err) != E2B_OK)
        return err->status;
    char *copy = strdup(path);
    if (copy) {
        const char *folder = strchr(copy, '/') ? dirname(copy) : "";
        e2b_config_parse((const char *)file.data, file.bytes, path, folder, out, err);
    } else {
        e2b_fail_memory(err, path);
    }
    free(copy);
    e2b_file_unmap(&file);
    return err->status;
}

void e2b_config_destroy(struct e2b_config *config) {
    if (config)
        e2b_reader_release(e2b_options, config);
    free(config);
}
