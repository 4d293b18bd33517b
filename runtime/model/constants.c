#include "runtime/model/constants.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_BYTES 4096

struct entry {
    struct entry *next;
    struct e2b_constant constant;
    size_t bytes;
};

struct recipe {
    struct recipe *next;
    uint64_t hash;
    const struct e2b_constant *made;
    size_t len;
    char text[];
};

struct e2b_constants {
    struct entry *entries;
    struct recipe *recipes;
    uint64_t next_id;
};

struct e2b_constants *e2b_constants_create(void) {
    return calloc(1, sizeof(struct e2b_constants));
}

void e2b_constants_destroy(struct e2b_constants *store) {
    if (!store)
        return;
    for (struct entry *entry = store->entries, *next; entry; entry = next) {
        next = entry->next;
        free((void *)entry->constant.data);
        free(entry);
    }
    for (struct recipe *recipe = store->recipes, *next; recipe; recipe = next) {
        next = recipe->next;
        free(recipe);
    }
    free(store);
}

static const struct e2b_constant *find_same(const struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const void *data, size_t bytes) {
    for (const struct entry *entry = store->entries; entry; entry = entry->next)
        if (entry->bytes == bytes && entry->constant.dtype == dtype
            && e2b_shape_equal(&entry->constant.shape, shape)
            && !memcmp(entry->constant.data, data, bytes))
            return &entry->constant;
    return NULL;
}

static const struct e2b_constant *add_entry(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, void *data, size_t bytes) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        free(data);
        return NULL;
    }
    entry->constant = (struct e2b_constant){
        .id = store->next_id++, .dtype = dtype, .shape = *shape, .data = data};
    entry->bytes = bytes;
    entry->next = store->entries;
    store->entries = entry;
    return &entry->constant;
}

static bool remember(
    struct e2b_constants *store, const struct e2b_text *text, const struct e2b_constant *made) {
    struct recipe *recipe = calloc(1, sizeof *recipe + text->len);
    if (!recipe || text->failed) {
        free(recipe);
        return false;
    }
    recipe->hash = e2b_hash(E2B_HASH_START, text->data, text->len);
    recipe->made = made;
    recipe->len = text->len;
    memcpy(recipe->text, text->data, text->len);
    recipe->next = store->recipes;
    store->recipes = recipe;
    return true;
}

enum e2b_status e2b_constants_add(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, void *data, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err) {
    size_t bytes = (size_t)e2b_shape_count(shape) * e2b_dtype_bytes(dtype);
    const struct e2b_constant *constant =
        bytes <= SMALL_BYTES ? find_same(store, dtype, shape, data, bytes) : NULL;
    if (constant)
        free(data);
    else
        constant = add_entry(store, dtype, shape, data, bytes);
    if (!constant || (recipe && !remember(store, recipe, constant)))
        return e2b_fail_memory(err, "a constant");
    *out = constant;
    return E2B_OK;
}

const struct e2b_constant *e2b_constants_find(
    const struct e2b_constants *store, const struct e2b_text *text) {
    if (text->failed)
        return NULL;
    uint64_t hash = e2b_hash(E2B_HASH_START, text->data, text->len);
    for (const struct recipe *recipe = store->recipes; recipe; recipe = recipe->next)
        if (recipe->hash == hash && recipe->len == text->len
            && !memcmp(recipe->text, text->data, text->len))
            return recipe->made;
    return NULL;
}

enum e2b_status e2b_constants_add_doubles(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const double *values, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err) {
    int64_t count = e2b_shape_count(shape);
    void *data = calloc((size_t)count + 1, e2b_dtype_bytes(dtype));
    if (!data)
        return e2b_fail_memory(err, "a constant");
    e2b_from_double(dtype, values, data, count);
    return e2b_constants_add(store, dtype, shape, data, recipe, out, err);
}

double *e2b_constant_doubles(const struct e2b_constant *constant) {
    int64_t count = e2b_shape_count(&constant->shape);
    double *values = calloc((size_t)count + 1, sizeof *values);
    if (values)
        e2b_to_double(constant->dtype, constant->data, values, count);
    return values;
}

bool e2b_constant_scalar(const struct e2b_constant *constant, double *out) {
    if (!constant || e2b_shape_count(&constant->shape) != 1)
        return false;
    e2b_to_double(constant->dtype, constant->data, out, 1);
    return true;
}
