/* Element types, shapes and tensors as data. A shape is logical and in ONNX order (an image is
 * N,C,H,W whatever its layout); where an element lies is said by strides alone. */
#ifndef E2B_KERNELS_TENSOR_H
#define E2B_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define E2B_MAX_RANK 8

/* ROW(name, bytes, protocol name, ONNX TensorProto code) */
#define E2B_DTYPE_TABLE(ROW)                                                                       \
    ROW(NONE, 0, "", 0)                                                                            \
    ROW(F32, 4, "FP32", 1)                                                                         \
    ROW(F16, 2, "FP16", 10)                                                                        \
    ROW(F64, 8, "FP64", 11)                                                                        \
    ROW(U8, 1, "UINT8", 2)                                                                         \
    ROW(I8, 1, "INT8", 3)                                                                          \
    ROW(I32, 4, "INT32", 6)                                                                        \
    ROW(I64, 8, "INT64", 7)                                                                        \
    ROW(BOOL, 1, "BOOL", 9)

enum e2b_dtype {
#define ROW(name, bytes, protocol, onnx) E2B_##name,
    E2B_DTYPE_TABLE(ROW)
#undef ROW
        E2B_DTYPE_COUNT
};

size_t e2b_dtype_bytes(enum e2b_dtype dtype);
const char *e2b_dtype_name(enum e2b_dtype dtype);         /* protocol name, "FP32" */
enum e2b_dtype e2b_dtype_by_name(const char *name);       /* E2B_NONE if unknown */
enum e2b_dtype e2b_dtype_by_onnx(int onnx_code);          /* E2B_NONE if not supported */
static inline bool e2b_dtype_is_float(enum e2b_dtype dtype) {
    return dtype == E2B_F32 || dtype == E2B_F16 || dtype == E2B_F64;
}

struct e2b_shape {
    int rank;
    int64_t dims[E2B_MAX_RANK];
};

int64_t e2b_shape_count(const struct e2b_shape *shape); /* elements; 1 for rank 0 */
bool e2b_shape_equal(const struct e2b_shape *a, const struct e2b_shape *b);
/* NumPy broadcasting; false if the shapes do not go together. */
bool e2b_shape_broadcast(
    const struct e2b_shape *a, const struct e2b_shape *b, struct e2b_shape *out);
/* "1x3x224x224" into text; returns text. */
const char *e2b_shape_print(const struct e2b_shape *shape, char *text, size_t capacity);

/* Row-major: last dimension densest. Channels-last: rank 3 or 4 stored N,(H,)W,C; the channel
 * stride is 1 and the pixel stride (pitch) may exceed C. Lanes between C and C rounded up to the
 * device's channel_align exist in memory and every kernel that writes the tensor leaves finite
 * values there, so that readers may multiply them by zero weights. */
enum e2b_layout { E2B_ROW_MAJOR, E2B_CHANNELS_LAST };

struct e2b_tensor {
    enum e2b_dtype dtype;
    enum e2b_layout layout;
    struct e2b_shape shape;
    int64_t stride[E2B_MAX_RANK]; /* in elements, one for each logical dimension */
};

/* Dense strides for the tensor's shape and layout, pitch rounded up to channel_align elements. */
void e2b_tensor_set_dense(struct e2b_tensor *tensor, int channel_align);
bool e2b_tensor_is_row_dense(const struct e2b_tensor *tensor);
/* Elements from the first to one past the last, pad lanes included. */
int64_t e2b_tensor_extent(const struct e2b_tensor *tensor, int channel_align);
/* The same memory seen as another shape, if strides allow that without a copy; sets out->shape,
 * out->stride and row-major layout. */
bool e2b_tensor_reshape(
    const struct e2b_tensor *tensor, const struct e2b_shape *shape, struct e2b_tensor *out);

/* Host conversions between element types, saturating integers; count elements, dense. */
void e2b_to_double(enum e2b_dtype dtype, const void *from, double *to, int64_t count);
void e2b_from_double(enum e2b_dtype dtype, const double *from, void *to, int64_t count);
uint16_t e2b_half_from_float(float value); /* round to nearest even */
float e2b_float_from_half(uint16_t half);

#endif
