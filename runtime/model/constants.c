#include "runtime/model/constants.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_BYTES 4096
#define RESIDENT_BYTES 16384
#define AT_ONCE 32768 /* elements */

/* A part of a file, another constant, scaled, or several, joined. */
struct e2b_origin {
    const struct e2b_weight_file *file;
    int64_t offset;
    const struct e2b_constant *base;
    int64_t channels, inner;           /* element i is of channel i / inner % channels */
    double *scale;                     /* NULL: 1 */
    const struct e2b_constant **parts; /* one after the other along dimension `axis` */
    int part_count, axis;
};

struct entry {
    struct entry *next;
    struct e2b_constant constant;
    struct e2b_origin origin;
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
    struct e2b_weight_file *files;
    uint64_t next_id;
};

struct e2b_constants *e2b_constants_create(void) {
    return calloc(1, sizeof(struct e2b_constants));
}

static void finish_origin(const struct e2b_origin *origin) {
    free(origin->scale);
    free(origin->parts);
}

void e2b_constants_destroy(struct e2b_constants *store) {
    if (!store)
        return;
    for (struct entry *entry = store->entries, *next; entry; entry = next) {
        next = entry->next;
        free((void *)entry->constant.data);
        finish_origin(&entry->origin);
        free(entry);
    }
    for (struct e2b_weight_file *file = store->files, *next; file; file = next) {
        next = file->next;
        free(file);
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
        if (entry->bytes == bytes && entry->constant.data && entry->constant.dtype == dtype
            && e2b_shape_equal(&entry->constant.shape, shape)
            && !memcmp(entry->constant.data, data, bytes))
            return &entry->constant;
    return NULL;
}

static size_t bytes_of(enum e2b_dtype dtype, const struct e2b_shape *shape) {
    return (size_t)e2b_shape_count(shape) * e2b_dtype_bytes(dtype);
}

/* Takes data, or what origin holds where data is NULL. */
static const struct e2b_constant *add_entry(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, void *data, const struct e2b_origin *origin) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        free(data);
        if (origin)
            finish_origin(origin);
        return NULL;
    }
    entry->constant = (struct e2b_constant){
        .id = store->next_id++, .dtype = dtype, .shape = *shape, .data = data};
    entry->bytes = bytes_of(dtype, shape);
    if (!data) {
        entry->origin = *origin;
        entry->constant.origin = &entry->origin;
    }
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
    size_t bytes = bytes_of(dtype, shape);
    const struct e2b_constant *constant =
        bytes <= SMALL_BYTES ? find_same(store, dtype, shape, data, bytes) : NULL;
    if (constant)
        free(data);
    else
        constant = add_entry(store, dtype, shape, data, NULL);
    if (!constant || (recipe && !remember(store, recipe, constant)))
        return e2b_fail_memory(err, "a constant");
    *out = constant;
    return E2B_OK;
}

enum e2b_status e2b_constants_file(struct e2b_constants *store, const char *path,
    const struct e2b_weight_file **out, struct e2b_error *err) {
    for (struct e2b_weight_file *file = store->files; file; file = file->next)
        if (!strcmp(file->path, path)) {
            *out = file;
            return E2B_OK;
        }
    size_t length = strlen(path) + 1;
    struct e2b_weight_file *file = calloc(1, sizeof *file + length);
    if (!file)
        return e2b_fail_memory(err, "a path");
    memcpy(file->path, path, length);
    if (e2b_file_version(path, &file->version, err) != E2B_OK) {
        free(file);
        return err->status;
    }
    file->next = store->files;
    store->files = file;
    *out = file;
    return E2B_OK;
}

static enum e2b_status read_stored(const struct e2b_weight_file *file, int64_t offset, void *to,
    size_t bytes, struct e2b_error *err) {
    return e2b_file_read(file->path, &file->version, offset, to, bytes, err);
}

enum e2b_status e2b_constants_add_stored(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const struct e2b_weight_file *file, int64_t offset,
    const struct e2b_constant **out, struct e2b_error *err) {
    size_t bytes = bytes_of(dtype, shape);
    if (offset < 0 || offset > file->version.bytes || (int64_t)bytes > file->version.bytes - offset)
        return e2b_fail(err, E2B_INVALID,
            "weights of %zu bytes at %" PRId64 " lie outside \"%s\", which has %" PRId64, bytes,
            offset, file->path, file->version.bytes);
    if (bytes > RESIDENT_BYTES && e2b_dtype_is_float(dtype)) {
        const struct e2b_origin origin = {.file = file, .offset = offset};
        *out = add_entry(store, dtype, shape, NULL, &origin);
        return *out ? E2B_OK : e2b_fail_memory(err, "a constant");
    }
    void *data = calloc(bytes + 1, 1);
    if (!data)
        return e2b_fail_memory(err, "weights");
    if (read_stored(file, offset, data, bytes, err) != E2B_OK) {
        free(data);
        return err->status;
    }
    return e2b_constants_add(store, dtype, shape, data, NULL, out, err);
}

/* Elements first .. first + count - 1. */
static enum e2b_status read_part(const struct e2b_constant *constant, int64_t first, int64_t count,
    void *to, struct e2b_error *err);

static enum e2b_status read_scaled(const struct e2b_origin *origin, int64_t first, int64_t count,
    float *to, struct e2b_error *err) {
    size_t width = e2b_dtype_bytes(origin->base->dtype);
    void *values = malloc((size_t)(count < AT_ONCE ? count : AT_ONCE) * width + 1);
    if (!values)
        return e2b_fail_memory(err, "weights");
    for (int64_t done = 0; done < count && err->status == E2B_OK; done += AT_ONCE) {
        int64_t some = count - done < AT_ONCE ? count - done : AT_ONCE;
        if (read_part(origin->base, first + done, some, values, err) != E2B_OK)
            break;
        for (int64_t i = 0; i < some; i++) {
            double value, factor = 1;
            e2b_to_double(origin->base->dtype, (char *)values + (size_t)i * width, &value, 1);
            if (origin->scale)
                factor = origin->scale[(first + done + i) / origin->inner % origin->channels];
            to[done + i] = (float)(value * factor);
        }
    }
    free(values);
    return err->status;
}

/* One part's share of elements first .. first + count - 1. Its rows have `length` elements, which
 * begin `at` elements after the start of a joined row; the rows that are touched are read at once.
 */
static enum e2b_status read_share(const struct e2b_origin *origin, const struct e2b_constant *part,
    int64_t at, int64_t length, int64_t first, int64_t count, char *to, struct e2b_error *err) {
    int64_t row = origin->channels * origin->inner, begin = first / row;
    int64_t rows = (first + count - 1) / row + 1 - begin;
    size_t width = e2b_dtype_bytes(part->dtype);
    char *values = malloc((size_t)(rows * length) * width + 1);
    if (!values)
        return e2b_fail_memory(err, "weights");
    read_part(part, begin * length, rows * length, values, err);
    for (int64_t i = 0; i < rows && err->status == E2B_OK; i++) {
        int64_t start = (begin + i) * row + at, end = start + length;
        int64_t from = start < first ? first : start;
        int64_t until = end < first + count ? end : first + count;
        if (from < until)
            memcpy(to + (size_t)(from - first) * width,
                values + (size_t)(i * length + from - start) * width,
                (size_t)(until - from) * width);
    }
    free(values);
    return err->status;
}

static enum e2b_status read_joined(const struct e2b_origin *origin, int64_t first, int64_t count,
    void *to, struct e2b_error *err) {
    int64_t at = 0;
    for (int i = 0; i < origin->part_count && err->status == E2B_OK; i++) {
        int64_t length = origin->parts[i]->shape.dims[origin->axis] * origin->inner;
        read_share(origin, origin->parts[i], at, length, first, count, to, err);
        at += length;
    }
    return err->status;
}

static enum e2b_status read_part(const struct e2b_constant *constant, int64_t first, int64_t count,
    void *to, struct e2b_error *err) {
    size_t width = e2b_dtype_bytes(constant->dtype), bytes = (size_t)count * width;
    const struct e2b_origin *origin = constant->origin;
    if (constant->data && bytes)
        memcpy(to, (const char *)constant->data + (size_t)first * width, bytes);
    else if (bytes && origin->file)
        return read_stored(origin->file, origin->offset + first * (int64_t)width, to, bytes, err);
    else if (bytes && origin->parts)
        return read_joined(origin, first, count, to, err);
    else if (bytes)
        return read_scaled(origin, first, count, to, err);
    return E2B_OK;
}

enum e2b_status e2b_constant_read(
    const struct e2b_constant *constant, void *to, struct e2b_error *err) {
    return read_part(constant, 0, e2b_shape_count(&constant->shape), to, err);
}

static double *copy_scale(const double *scale, int64_t channels) {
    double *copy = calloc((size_t)channels + 1, sizeof *copy);
    return copy ? memcpy(copy, scale, (size_t)channels * sizeof *copy) : NULL;
}

enum e2b_status e2b_constants_add_scaled(struct e2b_constants *store,
    const struct e2b_constant *base, int axis, const double *scale, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err) {
    const struct e2b_shape *shape = &base->shape;
    struct e2b_origin origin = {.base = base, .channels = 1, .inner = 1};
    if (scale)
        origin.channels = shape->dims[axis];
    for (int i = axis + 1; i < shape->rank; i++)
        origin.inner *= shape->dims[i];
    if (scale && !(origin.scale = copy_scale(scale, origin.channels)))
        return e2b_fail_memory(err, "folded weights");
    if (bytes_of(E2B_F32, shape) > RESIDENT_BYTES) {
        *out = add_entry(store, E2B_F32, shape, NULL, &origin);
        return *out && remember(store, recipe, *out) ? E2B_OK
                                                     : e2b_fail_memory(err, "folded weights");
    }
    int64_t count = e2b_shape_count(shape);
    float *data = calloc((size_t)count + 1, sizeof *data);
    if (!data)
        e2b_fail_memory(err, "folded weights");
    else
        read_scaled(&origin, 0, count, data, err);
    free(origin.scale);
    if (err->status != E2B_OK) {
        free(data);
        return err->status;
    }
    return e2b_constants_add(store, E2B_F32, shape, data, recipe, out, err);
}

static enum e2b_status start_joined(const struct e2b_constant *const *parts, int count, int axis,
    struct e2b_origin *out, struct e2b_error *err) {
    *out = (struct e2b_origin){.inner = 1, .part_count = count, .axis = axis};
    for (int i = axis + 1; i < parts[0]->shape.rank; i++)
        out->inner *= parts[0]->shape.dims[i];
    out->parts = calloc((size_t)count, sizeof *out->parts);
    if (!out->parts)
        return e2b_fail_memory(err, "joined weights");
    for (int i = 0; i < count; i++) {
        out->parts[i] = parts[i];
        out->channels += parts[i]->shape.dims[axis];
    }
    return E2B_OK;
}

enum e2b_status e2b_constants_add_joined(struct e2b_constants *store,
    const struct e2b_constant *const *parts, int count, int axis, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err) {
    struct e2b_shape shape = parts[0]->shape;
    enum e2b_dtype dtype = parts[0]->dtype;
    struct e2b_origin origin;
    if (start_joined(parts, count, axis, &origin, err) != E2B_OK)
        return err->status;
    shape.dims[axis] = origin.channels;
    size_t bytes = bytes_of(dtype, &shape);
    if (bytes > RESIDENT_BYTES) {
        *out = add_entry(store, dtype, &shape, NULL, &origin);
        return *out && remember(store, recipe, *out) ? E2B_OK
                                                     : e2b_fail_memory(err, "joined weights");
    }
    void *data = calloc(bytes + 1, 1);
    if (!data)
        e2b_fail_memory(err, "joined weights");
    else
        read_joined(&origin, 0, e2b_shape_count(&shape), data, err);
    finish_origin(&origin);
    if (err->status == E2B_OK)
        return e2b_constants_add(store, dtype, &shape, data, recipe, out, err);
    free(data);
    return err->status;
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

double *e2b_constant_doubles(const struct e2b_constant *constant, struct e2b_error *err) {
    int64_t count = e2b_shape_count(&constant->shape);
    size_t width = e2b_dtype_bytes(constant->dtype);
    double *values = calloc((size_t)count + 1, sizeof *values);
    void *part = malloc(AT_ONCE * width);
    if (!values || !part)
        e2b_fail_memory(err, "weights as doubles");
    for (int64_t done = 0; done < count && err->status == E2B_OK; done += AT_ONCE) {
        int64_t some = count - done < AT_ONCE ? count - done : AT_ONCE;
        if (read_part(constant, done, some, part, err) == E2B_OK)
            e2b_to_double(constant->dtype, part, values + done, some);
    }
    free(part);
    if (err->status == E2B_OK)
        return values;
    free(values);
    return NULL;
}

bool e2b_constant_scalar(const struct e2b_constant *constant, double *out) {
    if (!constant || e2b_shape_count(&constant->shape) != 1)
        return false;
    e2b_to_double(constant->dtype, constant->data, out, 1);
    return true;
}
