/* An operator: how its ONNX form is read, its shape rule, its reference in double precision, and an
 * ordered list of device variants. One folder an operator family holds all of that;
 * kernels/registry.c finds operators by name. Nothing here touches a device. */
#ifndef E2B_KERNELS_OP_H
#define E2B_KERNELS_OP_H

#include "kernels/launch.h"
#include "kernels/tensor.h"
#include "kernels/traits.h"
#include "runtime/base/status.h"

#define E2B_MAX_INPUTS 64
#define E2B_MAX_OUTPUTS 32

/* An attribute as the importer found it, typed by which field is set. Read with e2b_attr_*. */
struct e2b_attr {
    const char *name;
    enum {
        E2B_ATTR_INT,
        E2B_ATTR_FLOAT,
        E2B_ATTR_STRING,
        E2B_ATTR_INTS,
        E2B_ATTR_FLOATS,
        E2B_ATTR_TENSOR,
        E2B_ATTR_OTHER
    } kind;
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    size_t count; /* of ints or floats */
    const struct e2b_constant *tensor;
};

/* A node as ONNX wrote it. */
struct e2b_onnx_node {
    const char *name, *type; /* "Conv" */
    int64_t opset;
    int input_count, output_count;
    const struct e2b_attr *attrs;
    int attr_count;
};

const struct e2b_attr *e2b_attr_find(const struct e2b_onnx_node *node, const char *name);
int64_t e2b_attr_int(const struct e2b_onnx_node *node, const char *name, int64_t fallback);
float e2b_attr_float(const struct e2b_onnx_node *node, const char *name, float fallback);
const char *e2b_attr_string(
    const struct e2b_onnx_node *node, const char *name, const char *fallback);
/* Copies up to capacity numbers; returns how many the attribute has, -1 if absent. */
int e2b_attr_ints(const struct e2b_onnx_node *node, const char *name, int64_t *out, int capacity);

/* One input or output of a node while it is inferred, folded or emitted. */
struct e2b_operand {
    bool present;                        /* optional inputs may be absent */
    struct e2b_tensor tensor;            /* strides and layout are set from the layout pass on */
    const struct e2b_constant *constant; /* value known at plan time, else NULL */
};

struct e2b_call {
    const struct e2b_op *op;
    const char *name; /* the node's, for messages */
    void *params;     /* op->params_bytes */
    int input_count, output_count;
    struct e2b_operand *inputs, *outputs;
    const struct e2b_traits *traits; /* where variants are asked */
    int candidate;                   /* tuning candidate of the variant, 0 is the default */
    int group_items; /* work-items that a group should have, to be merged; 0: as is best alone */
};

struct e2b_variant {
    const char *name; /* "panel_cpu", "tile_local", "clblast" */
    /* Whether it can run this call on call->traits; if not, why, in a few words. */
    bool (*accepts)(const struct e2b_call *call, char *reason, size_t reason_bytes);
    /* How many tuning candidates there are for the call; NULL means one. */
    int (*candidates)(const struct e2b_call *call);
    enum e2b_status (*emit)(
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err);
};

/* How an operator wants its images (rank 3 or 4, not constant) to lie in memory. */
enum e2b_layout_rule {
    E2B_LAYOUT_IMAGE,  /* channels-last in and out */
    E2B_LAYOUT_ROW,    /* row-major in (last stride 1, others free), row-major out */
    E2B_LAYOUT_FOLLOW, /* kernels go by strides: any in; out is as the first input that varies */
    E2B_LAYOUT_VIEW,   /* no kernel: output is input 0's memory under another shape */
    E2B_LAYOUT_HOST,   /* never reaches a device: value must be known at plan time */
};

#define E2B_OP_LAUNCHES 4 /* at most */

struct e2b_op {
    const char *name;        /* "conv" */
    const char *const *onnx; /* ONNX types it reads, NULL-terminated; NULL for internal ones */
    enum e2b_layout_rule layout;
    /* With E2B_LAYOUT_IMAGE: input 0 may be row-major, and of fp32 whatever the precision, where it
     * has at most so many channels and a fast variant takes it so. */
    int planar_channels;
    size_t params_bytes; /* plain data, copied with memcpy and compared with memcmp */
    /* Attributes to params; params come zeroed. Refuses what is not supported, naming it. */
    enum e2b_status (*import)(
        const struct e2b_onnx_node *node, void *params, struct e2b_error *err);
    /* Sets dtype and shape of call->outputs from inputs; may move values of constant inputs (axes,
     * pads, clip bounds) into params. Checks ranks, counts and ranges: called on hostile graphs. */
    enum e2b_status (*infer)(struct e2b_call *call, struct e2b_error *err);
    /* Row-major doubles in and out; inputs absent are NULL. Only called after infer succeeded.
     * Serves constant folding (integers are exact up to 2^53) and tests. */
    void (*reference)(const struct e2b_call *call, const double *const *in, double *const *out);
    const struct e2b_variant *variants; /* best first, a general one last; ends with name NULL */
    /* Whether a later variant runs this call too and is expected to be faster than this one, which
     * takes it. NULL: never. */
    bool (*yields)(const struct e2b_variant *variant, const struct e2b_call *call);
    /* How many launches run a call, merged with its neighbours or not, and the elements that each
     * writes. NULL: one. */
    int (*launches)(const struct e2b_call *call, bool merged, int64_t written[E2B_OP_LAUNCHES]);
    /* Multiply-adds counted as two; NULL: one for each output element. */
    double (*flops)(const struct e2b_call *call);
    /* What graph passes may fuse. With has_epilogue, params hold a struct e2b_epilogue at
     * epilogue_offset. Input indices, 0 meaning that the operator takes none: bias_input, a
     * constant of one number an output channel; residual_input, a tensor shaped like the output,
     * which the pass also records in the epilogue; or one that broadcasts to it, or a constant,
     * with residual_broadcasts. */
    bool has_epilogue;
    size_t epilogue_offset;
    int bias_input, residual_input;
    bool residual_broadcasts;
    /* Bits of inputs and outputs that are fp32 whatever the precision of others. */
    uint32_t fp32_inputs, fp32_outputs;
};

bool e2b_op_input_is_fp32(const struct e2b_op *op, int input);
bool e2b_op_output_is_fp32(const struct e2b_op *op, int output);

/* Whether a variant before the last, which any device can run, accepts the call. */
bool e2b_op_has_fast_variant(const struct e2b_call *call);

/* NULL if unknown. */
const struct e2b_op *e2b_op_find(const char *name);
const struct e2b_op *e2b_op_for_onnx(const char *onnx_type);
/* All operators, NULL-terminated. */
const struct e2b_op *const *e2b_op_all(void);

#endif
