/* Arrays in NumPy's .npy format, versions 1 to 3, little-endian and C order:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef E2B_TOOLS_NPY_H
#define E2B_TOOLS_NPY_H

#include "kernels/tensor.h"
#include "runtime/base/file.h"

struct npy {
    enum e2b_dtype dtype;
    struct e2b_shape shape;
    const void *data; /* into the mapped file */
    size_t bytes;
    struct e2b_file file;
};

enum e2b_status npy_read(const char *path, struct npy *out, struct e2b_error *err);
void npy_finish(struct npy *array); /* zeroed is fine */

enum e2b_status npy_write(const char *path, enum e2b_dtype dtype, const struct e2b_shape *shape,
    const void *data, struct e2b_error *err);

#endif
