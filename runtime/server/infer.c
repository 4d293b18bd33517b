#include "runtime/server/infer.h"

#include "runtime/server/image.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int64_t e2b_signature_sample_count(const struct e2b_signature *signature, const struct e2b_io *io) {
    int64_t count = 1;
    for (int i = signature->max_batch > 0 ? 1 : 0; i < io->shape.rank; i++)
        count *= io->shape.dims[i];
    return count;
}

size_t e2b_signature_sample_bytes(const struct e2b_signature *signature, const struct e2b_io *io) {
    return (size_t)e2b_signature_sample_count(signature, io) * e2b_dtype_bytes(io->dtype);
}

static int find_io(const struct e2b_io *list, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return i;
    return -1;
}

static enum e2b_status not_an_io(const char *kind, const struct e2b_io *list, int count,
    const char *name, const struct e2b_signature *signature, struct e2b_error *err) {
    return e2b_fail(err, E2B_INVALID, "model \"%s\" has no %s \"%.100s\"; its first is \"%.100s\"",
        signature->name, kind, name, count ? list[0].name : "");
}

static enum e2b_status get_int(const json_t *object, const char *key, int64_t low, int64_t high,
    int64_t *out, struct e2b_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!value)
        return E2B_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low
        || json_integer_value(value) > high)
        return e2b_fail(err, E2B_INVALID, "parameter \"%s\" must be an integer in %lld..%lld", key,
            (long long)low, (long long)high);
    *out = json_integer_value(value);
    return E2B_OK;
}

static enum e2b_status get_bool(
    const json_t *object, const char *key, bool *out, struct e2b_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!value)
        return E2B_OK;
    if (!json_is_boolean(value))
        return e2b_fail(err, E2B_INVALID, "parameter \"%s\" must be true or false", key);
    *out = json_is_true(value);
    return E2B_OK;
}

static enum e2b_status get_parameters(
    const json_t *object, const char *whose, const json_t **out, struct e2b_error *err) {
    *out = json_object_get(object, "parameters");
    if (*out && !json_is_object(*out))
        return e2b_fail(err, E2B_INVALID, "\"parameters\" of %.100s must be a JSON object", whose);
    return E2B_OK;
}

static enum e2b_status refuse_shared_memory(
    const json_t *parameters, const char *name, struct e2b_error *err) {
    if (json_object_get(parameters, "shared_memory_region"))
        return e2b_fail(err, E2B_UNSUPPORTED,
            "\"%.100s\" is in shared memory, which is not supported: send it in the body", name);
    return E2B_OK;
}

static enum e2b_status refuse_sequence(const json_t *parameters, struct e2b_error *err) {
    static const char *const keys[] = {"sequence_id", "sequence_start", "sequence_end"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(parameters, keys[i]);
        bool none = !value || json_is_false(value)
            || (json_is_integer(value) && json_integer_value(value) == 0)
            || (json_is_string(value) && json_string_length(value) == 0);
        if (!none)
            return e2b_fail(err, E2B_UNSUPPORTED,
                "parameter \"%s\": sequences are not supported, no model here keeps state",
                keys[i]);
    }
    return E2B_OK;
}

static enum e2b_status read_request_parameters(
    struct e2b_infer *infer, bool *binary_output, struct e2b_error *err) {
    const json_t *parameters;
    int64_t priority = 0;
    if (get_parameters(infer->root, "the request", &parameters, err) != E2B_OK
        || refuse_sequence(parameters, err) != E2B_OK
        || get_int(parameters, "priority", 0, INT32_MAX, &priority, err) != E2B_OK
        || get_int(parameters, "timeout", 0, INT64_MAX / 1000, &infer->timeout_us, err) != E2B_OK
        || get_bool(parameters, "binary_data_output", binary_output, err) != E2B_OK)
        return err->status;
    infer->priority = (int)priority;
    return E2B_OK;
}

static enum e2b_status read_shape(
    const json_t *object, const char *name, struct e2b_shape *out, struct e2b_error *err) {
    const json_t *shape = json_object_get(object, "shape");
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID,
            "input \"%.100s\": \"shape\" must be an array of at most %d integers", name,
            E2B_MAX_RANK);
    out->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return e2b_fail(err, E2B_INVALID,
                "input \"%.100s\": dimension %zu of its shape must be an integer, 0 or more", name,
                i);
        out->dims[i] = json_integer_value(dim);
    }
    return E2B_OK;
}

/* "FP32 Nx3x224x224" */
static void print_expected(
    const struct e2b_signature *signature, const struct e2b_io *io, char *text, size_t capacity) {
    char shape[160];
    e2b_shape_print(&io->shape, shape, sizeof shape);
    const char *rest = strchr(shape, 'x');
    if (signature->max_batch > 0)
        snprintf(text, capacity, "%s N%s", e2b_dtype_name(io->dtype), rest ? rest : "");
    else
        snprintf(text, capacity, "%s %s", e2b_dtype_name(io->dtype), shape);
}

static enum e2b_status check_shape(const struct e2b_signature *signature, const struct e2b_io *io,
    const struct e2b_shape *shape, struct e2b_infer *infer, struct e2b_error *err) {
    bool fits = shape->rank == io->shape.rank;
    for (int i = signature->max_batch > 0 ? 1 : 0; fits && i < shape->rank; i++)
        fits = shape->dims[i] == io->shape.dims[i];
    if (!fits) {
        char got[160], expected[200];
        print_expected(signature, io, expected, sizeof expected);
        return e2b_fail(err, E2B_INVALID, "input \"%.60s\": shape %s does not fit, expected %s",
            io->name, e2b_shape_print(shape, got, sizeof got), expected);
    }
    if (signature->max_batch == 0)
        return E2B_OK;
    int64_t samples = shape->dims[0];
    if (samples < 1 || samples > signature->max_batch)
        return e2b_fail(err, E2B_INVALID, "input \"%.100s\": batch of %lld is outside 1..%d",
            io->name, (long long)samples, signature->max_batch);
    if (infer->input_count > 0 && samples != infer->samples)
        return e2b_fail(err, E2B_INVALID,
            "input \"%.100s\": batch of %lld differs from that of the first input, %d", io->name,
            (long long)samples, infer->samples);
    infer->samples = (int)samples;
    return E2B_OK;
}

static enum e2b_status read_source(const struct e2b_signature *signature, const struct e2b_io *io,
    const json_t *object, struct e2b_infer *infer, struct e2b_error *err) {
    struct e2b_infer_input *input = &infer->inputs[infer->input_count];
    const json_t *parameters;
    if (get_parameters(object, io->name, &parameters, err) != E2B_OK
        || refuse_shared_memory(parameters, io->name, err) != E2B_OK)
        return err->status;
    size_t expected = e2b_signature_sample_bytes(signature, io) * (size_t)infer->samples;
    int64_t bytes = -1;
    input->data = json_object_get(object, "data");
    if (get_int(parameters, "binary_data_size", 0, INT64_MAX, &bytes, err) != E2B_OK)
        return err->status;
    if ((bytes < 0) == !input->data)
        return e2b_fail(err, E2B_INVALID,
            "input \"%.100s\" needs either \"data\" or the parameter \"binary_data_size\"",
            io->name);
    if (bytes >= 0 && (uint64_t)bytes != expected)
        return e2b_fail(err, E2B_INVALID,
            "input \"%.100s\": \"binary_data_size\" is %lld, its shape needs %zu bytes", io->name,
            (long long)bytes, expected);
    if (!input->data)
        infer->binary_bytes += expected;
    return E2B_OK;
}

static enum e2b_status read_input(const struct e2b_signature *signature, const json_t *object,
    struct e2b_infer *infer, struct e2b_error *err) {
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *datatype = json_string_value(json_object_get(object, "datatype"));
    if (!name || !datatype)
        return e2b_fail(err, E2B_INVALID, "each input needs the strings \"name\" and \"datatype\"");
    int index = find_io(signature->inputs, signature->input_count, name);
    if (index < 0)
        return not_an_io("input", signature->inputs, signature->input_count, name, signature, err);
    const struct e2b_io *io = &signature->inputs[index];
    for (int i = 0; i < infer->input_count; i++)
        if (infer->inputs[i].index == index)
            return e2b_fail(err, E2B_INVALID, "input \"%.100s\" is given twice", name);
    if (e2b_dtype_by_name(datatype) != io->dtype)
        return e2b_fail(err, E2B_INVALID, "input \"%.100s\": datatype %.20s, expected %s", name,
            datatype, e2b_dtype_name(io->dtype));
    struct e2b_shape shape;
    if (read_shape(object, name, &shape, err) != E2B_OK
        || check_shape(signature, io, &shape, infer, err) != E2B_OK
        || read_source(signature, io, object, infer, err) != E2B_OK)
        return err->status;
    infer->inputs[infer->input_count++].index = index;
    return E2B_OK;
}

static enum e2b_status read_inputs(
    const struct e2b_signature *signature, struct e2b_infer *infer, struct e2b_error *err) {
    const json_t *inputs = json_object_get(infer->root, "inputs");
    size_t i;
    const json_t *object;
    if (!json_is_array(inputs))
        return e2b_fail(err, E2B_INVALID, "the request needs the array \"inputs\"");
    json_array_foreach(inputs, i, object) {
        if (read_input(signature, object, infer, err) != E2B_OK)
            return err->status;
    }
    if (infer->input_count == signature->input_count)
        return E2B_OK;
    for (int k = 0; k < signature->input_count; k++) {
        bool given = false;
        for (int j = 0; j < infer->input_count; j++)
            given |= infer->inputs[j].index == k;
        if (!given)
            return e2b_fail(
                err, E2B_INVALID, "input \"%.100s\" is missing", signature->inputs[k].name);
    }
    return E2B_OK;
}

static enum e2b_status read_output(const struct e2b_signature *signature, const json_t *object,
    bool binary, struct e2b_infer *infer, struct e2b_error *err) {
    const char *name = json_string_value(json_object_get(object, "name"));
    if (!name)
        return e2b_fail(err, E2B_INVALID, "each requested output needs the string \"name\"");
    int index = find_io(signature->outputs, signature->output_count, name);
    if (index < 0)
        return not_an_io(
            "output", signature->outputs, signature->output_count, name, signature, err);
    for (int i = 0; i < infer->output_count; i++)
        if (infer->outputs[i].index == index)
            return e2b_fail(err, E2B_INVALID, "output \"%.100s\" is requested twice", name);
    const json_t *parameters;
    int64_t classes = 0;
    if (get_parameters(object, name, &parameters, err) != E2B_OK
        || refuse_shared_memory(parameters, name, err) != E2B_OK
        || get_bool(parameters, "binary_data", &binary, err) != E2B_OK
        || get_int(parameters, "classification", 0, E2B_MAX_CLASSES, &classes, err) != E2B_OK)
        return err->status;
    infer->outputs[infer->output_count++] = (struct e2b_infer_output){index, binary, (int)classes};
    return E2B_OK;
}

static enum e2b_status read_outputs(const struct e2b_signature *signature, bool binary,
    struct e2b_infer *infer, struct e2b_error *err) {
    const json_t *outputs = json_object_get(infer->root, "outputs");
    size_t i;
    const json_t *object;
    if (outputs && !json_is_array(outputs))
        return e2b_fail(err, E2B_INVALID, "\"outputs\" must be an array");
    json_array_foreach(outputs, i, object) {
        if (read_output(signature, object, binary, infer, err) != E2B_OK)
            return err->status;
    }
    if (infer->output_count > 0)
        return E2B_OK;
    for (int k = 0; k < signature->output_count; k++)
        infer->outputs[k] = (struct e2b_infer_output){k, binary, 0};
    infer->output_count = signature->output_count;
    return E2B_OK;
}

static enum e2b_status not_json(
    const char *text, size_t bytes, const json_error_t *at, struct e2b_error *err) {
    const char *type = e2b_image_type(text, bytes);
    if (type)
        return e2b_fail(err, E2B_INVALID,
            "the request is a picture, not JSON: send it with the header Content-Type: %s", type);
    return e2b_fail(err, E2B_INVALID, "the request is not JSON: line %d, column %d: %.120s",
        at->line, at->column, at->text);
}

enum e2b_status e2b_infer_parse(const struct e2b_signature *signature, const char *text,
    size_t bytes, struct e2b_infer *out, struct e2b_error *err) {
    *out = (struct e2b_infer){.id = "", .samples = 1};
    json_error_t at;
    out->root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &at);
    if (!out->root)
        return not_json(text, bytes, &at, err);
    if (!json_is_object(out->root))
        return e2b_fail(err, E2B_INVALID, "the request must be a JSON object");
    const json_t *id = json_object_get(out->root, "id");
    if (id && !json_is_string(id))
        return e2b_fail(err, E2B_INVALID, "\"id\" must be a string");
    if (id)
        out->id = json_string_value(id);
    bool binary = false;
    if (read_request_parameters(out, &binary, err) != E2B_OK
        || read_inputs(signature, out, err) != E2B_OK)
        return err->status;
    return read_outputs(signature, binary, out, err);
}

enum e2b_status e2b_infer_raw(
    const struct e2b_signature *signature, struct e2b_infer *out, struct e2b_error *err) {
    *out = (struct e2b_infer){.id = "", .samples = 1};
    if (signature->input_count != 1)
        return e2b_fail(err, E2B_INVALID,
            "a body without a JSON head fits models of one input only; \"%s\" has %d",
            signature->name, signature->input_count);
    out->input_count = 1;
    out->binary_bytes = e2b_signature_sample_bytes(signature, &signature->inputs[0]);
    out->output_count = signature->output_count;
    for (int i = 0; i < signature->output_count; i++)
        out->outputs[i] = (struct e2b_infer_output){i, true, 0};
    return E2B_OK;
}

void e2b_infer_plain(const struct e2b_signature *signature, int top, struct e2b_infer *out) {
    *out = (struct e2b_infer){.id = "", .samples = 1};
    out->output_count = signature->output_count;
    for (int i = 0; i < signature->output_count; i++)
        out->outputs[i] = (struct e2b_infer_output){i, false, top};
}

void e2b_infer_finish(struct e2b_infer *infer) {
    json_decref(infer->root);
    infer->root = NULL;
}
