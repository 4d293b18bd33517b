/* Measures the table from which `e2bird lab --sim` plays a device. */
#ifndef E2B_TOOLS_LAB_MEASURE_H
#define E2B_TOOLS_LAB_MEASURE_H

#include "kernels/tensor.h"
#include "tools/lab/table.h"

struct lab_measure_options {
    const char *model, *device; /* an ONNX file; as in e2b_opencl_choose */
    const char *name;           /* in the table */
    const int *sizes;
    int size_count;
    enum e2b_dtype precision;
};

/* Appends a model to the table and writes the device's identity. */
enum e2b_status lab_measure(const struct lab_measure_options *options, struct e2b_lab_table *table,
    char *identity, size_t identity_bytes, struct e2b_error *err);

#endif
