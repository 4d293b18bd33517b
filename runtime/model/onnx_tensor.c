#include "runtime/model/onnx_tensor.h"

#include "runtime/base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSOR_BYTES (INT64_C(1) << 36)

struct source {
    const Onnx__TensorProto *proto;
    const char *what;
    const struct e2b_onnx_place *place;
    enum e2b_dtype dtype;
    struct e2b_shape shape;
    int64_t count;
    size_t bytes;
};

static enum e2b_status read_header(struct source *source, struct e2b_error *err) {
    const Onnx__TensorProto *proto = source->proto;
    source->dtype = e2b_dtype_by_onnx(proto->data_type);
    if (source->dtype == E2B_NONE)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "tensor \"%s\": ONNX element type %d is not supported", source->what,
            (int)proto->data_type);
    if (proto->n_dims > E2B_MAX_RANK)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "tensor \"%s\" has %zu dimensions, at most %d are "
            "supported",
            source->what, proto->n_dims, E2B_MAX_RANK);
    source->shape.rank = (int)proto->n_dims;
    source->count = 1;
    for (size_t i = 0; i < proto->n_dims; i++) {
        source->shape.dims[i] = proto->dims[i];
        if (proto->dims[i] < 0
            || __builtin_mul_overflow(source->count, proto->dims[i], &source->count)
            || source->count > MAX_TENSOR_BYTES / (int64_t)e2b_dtype_bytes(source->dtype))
            return e2b_fail(err, E2B_INVALID,
                "tensor \"%s\": dimension %zu is %" PRId64 ", outside the possible range",
                source->what, i, proto->dims[i]);
    }
    source->bytes = (size_t)source->count * e2b_dtype_bytes(source->dtype);
    return E2B_OK;
}

static enum e2b_status wrong_size(
    const struct source *source, size_t have, const char *unit, struct e2b_error *err) {
    char shape[96];
    e2b_shape_print(&source->shape, shape, sizeof shape);
    return e2b_fail(err, E2B_INVALID,
        "tensor \"%s\": weights are missing or cut off: %zu %s for shape %s of %s", source->what,
        have, unit, shape, e2b_dtype_name(source->dtype));
}

static enum e2b_status copy_raw(
    const struct source *source, const void *from, size_t bytes, void *to, struct e2b_error *err) {
    if (bytes != source->bytes)
        return wrong_size(source, bytes, "bytes", err);
    if (bytes)
        memcpy(to, from, bytes);
    return E2B_OK;
}

static void narrow(const struct source *source, void *to) {
    for (int64_t i = 0; i < source->count; i++) {
        int32_t value = source->proto->int32_data[i];
        if (e2b_dtype_bytes(source->dtype) == 1)
            ((uint8_t *)to)[i] = (uint8_t)value;
        else if (source->dtype == E2B_F16)
            ((uint16_t *)to)[i] = (uint16_t)value;
        else
            ((int32_t *)to)[i] = value;
    }
}

static enum e2b_status copy_typed(const struct source *source, void *to, struct e2b_error *err) {
    const Onnx__TensorProto *proto = source->proto;
    const void *from = NULL;
    size_t have = 0;
    switch (source->dtype) {
    case E2B_F32:
        from = proto->float_data;
        have = proto->n_float_data;
        break;
    case E2B_F64:
        from = proto->double_data;
        have = proto->n_double_data;
        break;
    case E2B_I64:
        from = proto->int64_data;
        have = proto->n_int64_data;
        break;
    default:
        have = proto->n_int32_data;
    }
    if (have != (size_t)source->count)
        return wrong_size(source, have, "elements", err);
    if (from)
        memcpy(to, from, source->bytes);
    else
        narrow(source, to);
    return E2B_OK;
}

static const char *external_entry(const Onnx__TensorProto *proto, const char *key) {
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = proto->external_data[i];
        if (entry->key && entry->value && !strcmp(entry->key, key))
            return entry->value;
    }
    return NULL;
}

/* Relative, and no component leads upwards. */
static bool stays_inside(const char *location) {
    if (!*location || *location == '/')
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (!strncmp(part, "..", 2) && (part[2] == '/' || part[2] == 0))
            return false;
    }
    return true;
}

static bool external_number(const Onnx__TensorProto *proto, const char *key, size_t *value) {
    const char *text = external_entry(proto, key);
    if (!text)
        return true;
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    *value = (size_t)number;
    return *text >= '0' && *text <= '9' && *end == 0;
}

static enum e2b_status add_stored(const struct source *source, struct e2b_constants *store,
    const struct e2b_weight_file *file, size_t offset, size_t length,
    const struct e2b_constant **out, struct e2b_error *err) {
    if (length != source->bytes)
        return wrong_size(source, length, "bytes", err);
    if (offset > INT64_MAX)
        offset = INT64_MAX;
    if (e2b_constants_add_stored(
            store, source->dtype, &source->shape, file, (int64_t)offset, out, err)
        != E2B_OK)
        return e2b_error_while(err, "reading the weights of tensor \"%s\"", source->what);
    return E2B_OK;
}

static enum e2b_status add_external(const struct source *source, struct e2b_constants *store,
    const struct e2b_constant **out, struct e2b_error *err) {
    const char *location = external_entry(source->proto, "location");
    const char *folder = source->place->folder;
    size_t offset = 0, length = source->bytes;
    if (!folder || !location || !stays_inside(location))
        return e2b_fail(err, E2B_INVALID,
            "tensor \"%s\": its weights lie in \"%s\", but only files in the model's own folder "
            "are "
            "read",
            source->what, location ? location : "");
    if (!external_number(source->proto, "offset", &offset)
        || !external_number(source->proto, "length", &length))
        return e2b_fail(err, E2B_INVALID,
            "tensor \"%s\": offset and length of its weights must be numbers", source->what);
    struct e2b_text path = {0};
    const struct e2b_weight_file *file;
    e2b_text_add(&path, "%s/%s", folder, location);
    if (path.failed)
        e2b_fail_memory(err, "a path");
    else if (e2b_constants_file(store, path.data, &file, err) != E2B_OK)
        e2b_error_while(err, "reading the weights of tensor \"%s\"", source->what);
    else
        add_stored(source, store, file, offset, length, out, err);
    e2b_text_finish(&path);
    return err->status;
}

static bool is_external(const Onnx__TensorProto *proto) {
    return proto->has_data_location && proto->data_location == 1;
}

static enum e2b_status copy_data(const struct source *source, void *to, struct e2b_error *err) {
    const Onnx__TensorProto *proto = source->proto;
    if (proto->has_raw_data)
        return copy_raw(source, proto->raw_data.data, proto->raw_data.len, to, err);
    return copy_typed(source, to, err);
}

/* Whether the data is there, before memory is asked for: sizes in a hostile file are just words. */
static bool has_data(const struct source *source) {
    const Onnx__TensorProto *proto = source->proto;
    return proto->raw_data.len == source->bytes
        || proto->n_float_data + proto->n_double_data + proto->n_int64_data + proto->n_int32_data
        >= (size_t)source->count;
}

enum e2b_status e2b_onnx_tensor(struct e2b_constants *store, const Onnx__TensorProto *proto,
    const char *what, const struct e2b_onnx_place *place, const struct e2b_constant **out,
    struct e2b_error *err) {
    struct source source = {.proto = proto, .what = what, .place = place};
    if (read_header(&source, err) != E2B_OK)
        return err->status;
    if (is_external(proto))
        return add_external(&source, store, out, err);
    if (place->file && proto->has_raw_offset)
        return add_stored(
            &source, store, place->file, proto->raw_offset, proto->raw_bytes, out, err);
    if (!has_data(&source))
        return wrong_size(&source, proto->raw_data.len, "bytes", err);
    void *data = calloc(source.bytes + 1, 1);
    if (!data)
        return e2b_fail_memory(err, "weights");
    if (copy_data(&source, data, err) != E2B_OK) {
        free(data);
        return err->status;
    }
    return e2b_constants_add(store, source.dtype, &source.shape, data, NULL, out, err);
}
