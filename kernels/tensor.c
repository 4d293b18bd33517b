#include "kernels/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
    int onnx;
} rows[] = {
#define ROW(name, bytes, protocol, onnx) {protocol, bytes, onnx},
    E2B_DTYPE_TABLE(ROW)
#undef ROW
};

size_t e2b_dtype_bytes(enum e2b_dtype dtype) {
    return rows[dtype].bytes;
}

const char *e2b_dtype_name(enum e2b_dtype dtype) {
    return rows[dtype].name;
}

enum e2b_dtype e2b_dtype_by_name(const char *name) {
    for (int dtype = E2B_NONE + 1; dtype < E2B_DTYPE_COUNT; dtype++)
        if (!strcmp(rows[dtype].name, name))
            return dtype;
    return E2B_NONE;
}

enum e2b_dtype e2b_dtype_by_onnx(int onnx_code) {
    for (int dtype = E2B_NONE + 1; dtype < E2B_DTYPE_COUNT; dtype++)
        if (rows[dtype].onnx == onnx_code)
            return dtype;
    return E2B_NONE;
}

int64_t e2b_shape_count(const struct e2b_shape *shape) {
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dims[i];
    return count;
}

bool e2b_shape_equal(const struct e2b_shape *a, const struct e2b_shape *b) {
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

static int64_t dim_from_end(const struct e2b_shape *shape, int from_end) {
    return from_end < shape->rank ? shape->dims[shape->rank - 1 - from_end] : 1;
}

bool e2b_shape_broadcast(
    const struct e2b_shape *a, const struct e2b_shape *b, struct e2b_shape *out) {
    struct e2b_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < result.rank; i++) {
        int64_t x = dim_from_end(a, i), y = dim_from_end(b, i);
        if (x != y && x != 1 && y != 1)
            return false;
        result.dims[result.rank - 1 - i] = x == 1 ? y : x;
    }
    *out = result;
    return true;
}

const char *e2b_shape_print(const struct e2b_shape *shape, char *text, size_t capacity) {
    if (capacity == 0)
        return text;
    snprintf(text, capacity, "%s", shape->rank == 0 ? "scalar" : "");
    for (int i = 0; i < shape->rank; i++) {
        size_t len = strlen(text);
        snprintf(text + len, capacity - len, "%s%lld", i ? "x" : "", (long long)shape->dims[i]);
    }
    return text;
}

static int64_t round_up(int64_t value, int64_t to) {
    return to > 1 ? (value + to - 1) / to * to : value;
}

static bool is_channels_last(const struct e2b_tensor *tensor) {
    int rank = tensor->shape.rank;
    return tensor->layout == E2B_CHANNELS_LAST && (rank == 3 || rank == 4);
}

void e2b_tensor_set_dense(struct e2b_tensor *tensor, int channel_align) {
    const struct e2b_shape *shape = &tensor->shape;
    int64_t step = 1;
    bool last = is_channels_last(tensor);
    if (last) {
        tensor->stride[1] = 1;
        step = round_up(shape->dims[1], channel_align);
    }
    for (int i = shape->rank - 1; i >= 0; i--) {
        if (last && i == 1)
            continue;
        tensor->stride[i] = step;
        step *= shape->dims[i];
    }
}

bool e2b_tensor_is_row_dense(const struct e2b_tensor *tensor) {
    int64_t step = 1;
    for (int i = tensor->shape.rank - 1; i >= 0; i--) {
        if (tensor->shape.dims[i] != 1 && tensor->stride[i] != step)
            return false;
        step *= tensor->shape.dims[i];
    }
    return true;
}

int64_t e2b_tensor_extent(const struct e2b_tensor *tensor, int channel_align) {
    int64_t extent = 1;
    for (int i = 0; i < tensor->shape.rank; i++) {
        int64_t dim = tensor->shape.dims[i];
        if (dim == 0)
            return 0;
        if (i == 1 && is_channels_last(tensor))
            dim = round_up(dim, channel_align);
        extent += (dim - 1) * tensor->stride[i];
    }
    return extent;
}

/* Copies the dimensions that are not 1, merging neighbours that lie densely; returns how many. */
static int merge_dims(const struct e2b_tensor *tensor, int64_t *dims, int64_t *strides) {
    int count = 0;
    for (int i = 0; i < tensor->shape.rank; i++) {
        int64_t dim = tensor->shape.dims[i], stride = tensor->stride[i];
        if (dim == 1)
            continue;
        if (count && strides[count - 1] == dim * stride) {
            dims[count - 1] *= dim;
            strides[count - 1] = stride;
        } else {
            dims[count] = dim;
            strides[count++] = stride;
        }
    }
    return count;
}

bool e2b_tensor_reshape(
    const struct e2b_tensor *tensor, const struct e2b_shape *shape, struct e2b_tensor *out) {
    int64_t dims[E2B_MAX_RANK], strides[E2B_MAX_RANK];
    if (e2b_shape_count(&tensor->shape) != e2b_shape_count(shape))
        return false;
    struct e2b_tensor result = {.dtype = tensor->dtype, .layout = E2B_ROW_MAJOR, .shape = *shape};
    if (e2b_shape_count(shape) == 0) {
        e2b_tensor_set_dense(&result, 1);
        *out = result;
        return true;
    }
    int left = merge_dims(tensor, dims, strides);
    int64_t step = left ? strides[left - 1] : 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        int64_t dim = shape->dims[i];
        if (dim != 1 && (left == 0 || dims[left - 1] % dim != 0))
            return false;
        result.stride[i] = step;
        if (dim == 1)
            continue;
        step *= dim;
        dims[left - 1] /= dim;
        if (dims[left - 1] == 1 && --left > 0)
            step = strides[left - 1];
    }
    *out = result;
    return true;
}

uint16_t e2b_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) {
        float scaled;
        memcpy(&scaled, &magnitude, sizeof scaled);
        return (uint16_t)(sign | (uint32_t)lrintf(scaled * 0x1p24f));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000;
    return (uint16_t)(sign | rounded >> 13);
}

float e2b_float_from_half(uint16_t half) {
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    if (bits >= 0x0f800000)
        value = half & 0x3ff ? NAN : INFINITY;
    else
        value *= 0x1p112f; /* between the types' exponents */
    return half & 0x8000 ? -value : value;
}

void e2b_to_double(enum e2b_dtype dtype, const void *from, double *to, int64_t count) {
#define COPY(type)                                                                                 \
    for (int64_t i = 0; i < count; i++)                                                            \
        to[i] = (double)((const type *)from)[i];                                                   \
    break
    switch (dtype) {
    case E2B_F32:
        COPY(float);
    case E2B_F64:
        COPY(double);
    case E2B_U8:
    case E2B_BOOL:
        COPY(uint8_t);
    case E2B_I8:
        COPY(int8_t);
    case E2B_I32:
        COPY(int32_t);
    case E2B_I64:
        COPY(int64_t);
    case E2B_F16:
        for (int64_t i = 0; i < count; i++)
            to[i] = (double)e2b_float_from_half(((const uint16_t *)from)[i]);
        break;
    default:
        break;
    }
#undef COPY
}

/* The nearest integer towards zero within low..high, whose doubles are exact or just beyond. */
static int64_t saturate(double value, int64_t low, int64_t high) {
    if (isnan(value))
        return 0;
    if (value <= (double)low)
        return low;
    return value >= (double)high ? high : (int64_t)value;
}

void e2b_from_double(enum e2b_dtype dtype, const double *from, void *to, int64_t count) {
#define COPY(type, value)                                                                          \
    for (int64_t i = 0; i < count; i++)                                                            \
        ((type *)to)[i] = (type)(value);                                                           \
    break
    switch (dtype) {
    case E2B_F32:
        COPY(float, from[i]);
    case E2B_F16:
        COPY(uint16_t, e2b_half_from_float((float)from[i]));
    case E2B_F64:
        COPY(double, from[i]);
    case E2B_U8:
        COPY(uint8_t, saturate(from[i], 0, UINT8_MAX));
    case E2B_BOOL:
        COPY(uint8_t, from[i] != 0);
    case E2B_I8:
        COPY(int8_t, saturate(from[i], INT8_MIN, INT8_MAX));
    case E2B_I32:
        COPY(int32_t, saturate(from[i], INT32_MIN, INT32_MAX));
    case E2B_I64:
        COPY(int64_t, saturate(from[i], INT64_MIN, INT64_MAX));
    default:
        break;
    }
#undef COPY
}
