#include "runtime/server/catalog.h"

#include <stdlib.h>
#include <string.h>

static enum e2b_status copy_ios(const struct e2b_io *(*get)(const struct e2b_served *, int),
    const struct e2b_served *served, int count, const struct e2b_io **out, struct e2b_error *err) {
    struct e2b_io *list = calloc((size_t)count + 1, sizeof *list);
    if (!list)
        return e2b_fail_memory(err, "the catalog");
    for (int i = 0; i < count; i++)
        list[i] = *get(served, i);
    *out = list;
    return E2B_OK;
}

static enum e2b_status set_image(struct e2b_catalog_model *model, struct e2b_error *err) {
    const struct e2b_signature *signature = &model->signature;
    int index = model->entry.image_input;
    if (index < 0)
        return E2B_OK;
    const struct e2b_shape *shape = &signature->inputs[index].shape;
    bool fits = signature->input_count == 1 && signature->inputs[index].dtype == E2B_U8
        && shape->rank == 4 && shape->dims[3] == 3 && shape->dims[1] <= E2B_IMAGE_MAX_SIDE
        && shape->dims[2] <= E2B_IMAGE_MAX_SIDE
        && (signature->max_batch > 0 || shape->dims[0] == 1);
    if (!fits)
        return e2b_fail(err, E2B_INVALID,
            "model \"%s\" cannot take images: it must have one uint8 input, N x height x width x 3",
            signature->name);
    int width = (int)shape->dims[2], height = (int)shape->dims[1], resize = model->entry.resize_px;
    if (resize < 0 || resize > E2B_IMAGE_MAX_SIDE
        || (resize > 0 && (resize < width || resize < height)))
        return e2b_fail(err, E2B_INVALID,
            "model \"%s\": resizing to %d is outside %d..%d (0: straight to %d x %d)",
            signature->name, resize, width > height ? width : height, E2B_IMAGE_MAX_SIDE, width,
            height);
    model->image = (struct e2b_image_rule){width, height, resize};
    return E2B_OK;
}

static enum e2b_status set_model(
    struct e2b_catalog_model *model, const struct e2b_served_entry *entry, struct e2b_error *err) {
    const struct e2b_served *served = entry->served;
    model->entry = *entry;
    model->signature = (struct e2b_signature){
        .name = e2b_served_name(served),
        .version = entry->version ? entry->version : "1",
        .input_count = e2b_served_input_count(served),
        .output_count = e2b_served_output_count(served),
        .max_batch = e2b_served_max_batch(served),
    };
    if (copy_ios(
            e2b_served_input, served, model->signature.input_count, &model->signature.inputs, err)
            != E2B_OK
        || copy_ios(e2b_served_output, served, model->signature.output_count,
               &model->signature.outputs, err)
            != E2B_OK)
        return err->status;
    return set_image(model, err);
}

enum e2b_status e2b_catalog_init(struct e2b_catalog *catalog,
    const struct e2b_served_entry *entries, int count, struct e2b_error *err) {
    *catalog = (struct e2b_catalog){0};
    catalog->models = calloc((size_t)count + 1, sizeof *catalog->models);
    if (!catalog->models)
        return e2b_fail_memory(err, "the catalog");
    for (int i = 0; i < count; i++) {
        struct e2b_catalog_model *model = &catalog->models[i];
        catalog->count = i + 1;
        if (set_model(model, &entries[i], err) != E2B_OK)
            return err->status;
        for (int k = 0; k < i; k++)
            if (strcmp(catalog->models[k].signature.name, model->signature.name) == 0
                && strcmp(catalog->models[k].signature.version, model->signature.version) == 0)
                return e2b_fail(err, E2B_INVALID, "model \"%s\" version %s is given twice",
                    model->signature.name, model->signature.version);
    }
    return E2B_OK;
}

void e2b_catalog_finish(struct e2b_catalog *catalog) {
    for (int i = 0; i < catalog->count; i++) {
        free((void *)catalog->models[i].signature.inputs);
        free((void *)catalog->models[i].signature.outputs);
    }
    free(catalog->models);
    *catalog = (struct e2b_catalog){0};
}

static enum e2b_status unknown(
    const struct e2b_catalog *catalog, const char *name, struct e2b_error *err) {
    const char **names = calloc((size_t)catalog->count + 1, sizeof *names);
    for (int i = 0; names && i < catalog->count; i++)
        names[i] = catalog->models[i].signature.name;
    const char *nearest = names ? e2b_text_nearest(name, names) : NULL;
    free(names);
    if (nearest)
        return e2b_fail(
            err, E2B_NOT_FOUND, "unknown model \"%.80s\", did you mean \"%.80s\"?", name, nearest);
    return e2b_fail(err, E2B_NOT_FOUND,
        "unknown model \"%.80s\": POST /v2/repository/index lists the models", name);
}

enum e2b_status e2b_catalog_find(struct e2b_catalog *catalog, const char *name, const char *version,
    struct e2b_catalog_model **out, struct e2b_error *err) {
    const struct e2b_signature *other = NULL;
    for (int i = 0; i < catalog->count; i++) {
        const struct e2b_signature *signature = &catalog->models[i].signature;
        if (strcmp(signature->name, name) != 0)
            continue;
        other = signature;
        if (*version && strcmp(signature->version, version) != 0)
            continue;
        *out = &catalog->models[i];
        return E2B_OK;
    }
    if (other)
        return e2b_fail(err, E2B_NOT_FOUND, "model \"%s\" has no version \"%s\", it has \"%s\"",
            name, version, other->version);
    return unknown(catalog, name, err);
}

void e2b_catalog_numbers(struct e2b_catalog_model *model, struct e2b_model_numbers *out) {
    *out = (struct e2b_model_numbers){
        .name = model->signature.name,
        .version = model->signature.version,
        .sizes = model->entry.sizes,
        .size_count = model->entry.size_count,
        .device_bytes = e2b_served_device_bytes(model->entry.served),
        .request = &model->request,
        .wait = &model->wait,
        .compute = &model->compute,
    };
    e2b_served_stats_get(model->entry.served, &out->stats);
    for (int i = 0; i < E2B_STATUS_COUNT; i++)
        out->refused[i] = atomic_load_explicit(&model->refused[i], memory_order_relaxed);
}
