#include "runtime/server/json_tensor.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

struct reader {
    const struct e2b_json_sink *sink;
    int64_t position;      /* elements read */
    unsigned char *memory; /* of the sample being read */
    struct e2b_error *err;
};

static void integer_range(enum e2b_dtype dtype, int64_t *low, int64_t *high) {
    *low = dtype == E2B_I8 ? INT8_MIN : dtype == E2B_I32 ? INT32_MIN : 0;
    *high = dtype == E2B_I8 ? INT8_MAX : dtype == E2B_I32 ? INT32_MAX : UINT8_MAX;
    if (dtype == E2B_BOOL)
        *high = 1;
    if (dtype == E2B_I64) {
        *low = INT64_MIN;
        *high = INT64_MAX;
    }
}

static double largest(enum e2b_dtype dtype) {
    return dtype == E2B_F16 ? 65504.0 : dtype == E2B_F32 ? 3.4028234663852886e38 : HUGE_VAL;
}

static enum e2b_status misfit(const struct reader *reader) {
    return e2b_fail(reader->err, E2B_INVALID, "input \"%.100s\": element %lld does not fit %s",
        reader->sink->name, (long long)reader->position, e2b_dtype_name(reader->sink->dtype));
}

static enum e2b_status read_float(struct reader *reader, const json_t *value, void *to) {
    double number = json_number_value(value);
    if (!json_is_number(value) || fabs(number) > largest(reader->sink->dtype))
        return misfit(reader);
    e2b_from_double(reader->sink->dtype, &number, to, 1);
    return E2B_OK;
}

static enum e2b_status read_integer(struct reader *reader, const json_t *value, void *to) {
    enum e2b_dtype dtype = reader->sink->dtype;
    int64_t low, high;
    integer_range(dtype, &low, &high);
    bool truth = dtype == E2B_BOOL && json_is_boolean(value);
    int64_t number = truth ? json_is_true(value) : json_integer_value(value);
    if ((!truth && !json_is_integer(value)) || number < low || number > high)
        return misfit(reader);
    memcpy(to, &number, e2b_dtype_bytes(dtype)); /* little-endian hosts only, as the protocol */
    return E2B_OK;
}

static enum e2b_status read_element(struct reader *reader, const json_t *value) {
    const struct e2b_json_sink *sink = reader->sink;
    if (reader->position >= sink->sample_count * sink->samples)
        return e2b_fail(reader->err, E2B_INVALID,
            "input \"%.100s\": \"data\" has more elements than its shape, %lld", sink->name,
            (long long)(sink->sample_count * sink->samples));
    int64_t offset = reader->position % sink->sample_count;
    if (offset == 0)
        reader->memory = sink->memory(sink->context, (int)(reader->position / sink->sample_count));
    void *to = reader->memory + (size_t)offset * e2b_dtype_bytes(sink->dtype);
    enum e2b_status status = e2b_dtype_is_float(sink->dtype) ? read_float(reader, value, to)
                                                             : read_integer(reader, value, to);
    reader->position++;
    return status;
}

static enum e2b_status read_nested(struct reader *reader, const json_t *data) {
    size_t i;
    const json_t *value;
    json_array_foreach(data, i, value) {
        enum e2b_status status =
            json_is_array(value) ? read_nested(reader, value) : read_element(reader, value);
        if (status != E2B_OK)
            return status;
    }
    return E2B_OK;
}

enum e2b_status e2b_json_read(
    const json_t *data, const struct e2b_json_sink *sink, struct e2b_error *err) {
    struct reader reader = {.sink = sink, .err = err};
    if (!json_is_array(data))
        return e2b_fail(
            err, E2B_INVALID, "input \"%.100s\": \"data\" must be an array", sink->name);
    if (read_nested(&reader, data) != E2B_OK)
        return err->status;
    if (reader.position != sink->sample_count * sink->samples)
        return e2b_fail(err, E2B_INVALID,
            "input \"%.100s\": \"data\" has %lld elements, its shape needs %lld", sink->name,
            (long long)reader.position, (long long)(sink->sample_count * sink->samples));
    return E2B_OK;
}

static void write_double(struct e2b_text *out, enum e2b_dtype dtype, double number) {
    if (!isfinite(number))
        e2b_text_add(out, "null");
    else
        e2b_text_add(out, "%.*g", dtype == E2B_F64 ? 17 : dtype == E2B_F32 ? 9 : 5, number);
}

static void write_element(struct e2b_text *out, enum e2b_dtype dtype, const unsigned char *at) {
    double number;
    int64_t whole;
    switch (dtype) {
    case E2B_I64:
        memcpy(&whole, at, sizeof whole);
        e2b_text_add(out, "%lld", (long long)whole);
        return;
    case E2B_BOOL:
        e2b_text_add(out, *at ? "true" : "false");
        return;
    default:
        e2b_to_double(dtype, at, &number, 1);
        if (e2b_dtype_is_float(dtype))
            write_double(out, dtype, number);
        else
            e2b_text_add(out, "%.0f", number);
    }
}

void e2b_json_write(struct e2b_text *out, enum e2b_dtype dtype, const void *memory, int64_t count) {
    const unsigned char *at = memory;
    for (int64_t i = 0; i < count; i++, at += e2b_dtype_bytes(dtype)) {
        if (i > 0)
            e2b_text_add_bytes(out, ",", 1);
        write_element(out, dtype, at);
    }
}

/* Length of the UTF-8 sequence at `at`, 0 if it is none (overlong, surrogate, cut off). */
static size_t utf8_length(const unsigned char *at) {
    if (at[0] < 0x80)
        return 1;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool outside = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

void e2b_json_write_string(struct e2b_text *out, const char *string) {
    e2b_text_add_bytes(out, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)string; *at;) {
        size_t length = utf8_length(at);
        if (length == 0)
            e2b_text_add_bytes(out, "?", 1);
        else if (*at < 0x20)
            e2b_text_add(out, "\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            e2b_text_add(out, "\\%c", *at);
        else
            e2b_text_add_bytes(out, at, length);
        at += length ? length : 1;
    }
    e2b_text_add_bytes(out, "\"", 1);
}
