#include "kernels/attention/variants.h"
#include "kernels/common/jobs.h"
#include "kernels/common/strided.h"

#include <inttypes.h>
#include <stdio.h>

extern const struct e2b_source e2b_source_attention;

#define MAX_PRIVATE                                                                                \
    512            /* depth and columns of which a CPU's work-item keeps a row in each lane        \
                    */
#define QUERIES 16 /* of a work-item, as in attention.cl */
#define SIDE 16    /* of a group */
#define ROWS 32    /* of a group's tile */
#define PART 16    /* columns of a work-item */

const char *e2b_attention_refuses(const struct e2b_call *call) {
    char why[96];
    if (!e2b_accepts_strided(call, why, sizeof why))
        return "a tensor is FP64 or spans more than 2^31 elements";
    for (int i = E2B_ATTENTION_Q; i <= E2B_ATTENTION_V; i++) {
        int64_t stride[E2B_MAX_RANK];
        e2b_operand_strides(&call->inputs[i], stride);
        if (stride[3] != 1 && call->inputs[i].tensor.shape.dims[3] != 1)
            return "rows of Q, K or V are not dense";
    }
    const struct e2b_tensor *y = &call->outputs[0].tensor;
    return y->stride[3] == 1 || y->shape.dims[3] == 1 ? NULL : "rows of the output are not dense";
}

int e2b_attention_mask_kind(const struct e2b_call *call, const struct e2b_attention *sizes) {
    return !e2b_has_input(call, E2B_ATTENTION_MASK) ? 0 : sizes->mask[2] == 0 ? 1 : 2;
}

static void account(
    const struct e2b_call *call, const struct e2b_attention *sizes, struct e2b_launch *launch) {
    double heads = (double)(sizes->samples * sizes->heads);
    double rows = (double)sizes->queries, keys = (double)sizes->keys;
    double width = (double)(sizes->depth + sizes->columns);
    launch->flops = heads * rows * keys * (2.0 * width + 5.0);
    launch->bytes =
        heads * (rows + keys) * width * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
}

struct e2b_launch *e2b_attention_launch(const struct e2b_call *call,
    const struct e2b_attention *sizes, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more, double scale,
    struct e2b_error *err) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    struct e2b_launch *launch = e2b_launch_add(list, source, kernel,
        "-D%s -DDEPTH=%" PRId64 " -DCOLUMNS=%" PRId64 " -DMASK=%d%s", e2b_dtype_macro(dtype),
        sizes->depth, sizes->columns, e2b_attention_mask_kind(call, sizes), more);
    if (!launch) {
        e2b_fail_memory(err, "a launch");
        return NULL;
    }
    for (int i = E2B_ATTENTION_Q; i <= E2B_ATTENTION_MASK; i++)
        if ((i < E2B_ATTENTION_MASK || e2b_has_input(call, i))
            && e2b_launch_operand(list, launch, call, i, dtype, err) != E2B_OK)
            return NULL;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, sizes->heads);
    e2b_launch_int(launch, sizes->queries);
    e2b_launch_int(launch, sizes->keys);
    const int64_t *const tensors[] = {sizes->q, sizes->k, sizes->v, sizes->y};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            e2b_launch_int(launch, tensors[i][j]);
    for (int i = 0; i < 4; i++)
        e2b_launch_int(launch, sizes->mask[i]);
    e2b_launch_float(launch, scale);
    account(call, sizes, launch);
    return launch;
}

static bool accept(const char *refused, char *reason, size_t reason_bytes) {
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

bool e2b_attention_lanes_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    const char *refused = e2b_attention_refuses(call);
    if (!call->traits->is_cpu)
        refused = "made for a CPU";
    else if (!refused && (sizes.depth > MAX_PRIVATE || sizes.columns > MAX_PRIVATE))
        refused = "heads are deeper than 512";
    return accept(refused, reason, reason_bytes);
}

bool e2b_attention_tile_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    const char *refused = e2b_attention_refuses(call);
    int64_t widest = sizes.depth > sizes.columns ? sizes.depth : sizes.columns;
    int64_t local_floats = ROWS * (sizes.depth + 1 + widest + 1 + ROWS + 1);
    if (call->traits->max_group < SIDE * SIDE)
        refused = "needs groups of 256 work-items";
    else if (!refused && call->traits->local_bytes < local_floats * (int64_t)sizeof(float))
        refused = "heads are too deep for the local memory";
    return accept(refused, reason, reason_bytes);
}

bool e2b_attention_direct_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    return accept(e2b_attention_refuses(call), reason, reason_bytes);
}

/* A launch of attention.cl's kernel; NULL if nothing is to be computed, or with err set. */
static struct e2b_launch *begin(const struct e2b_call *call, const struct e2b_attention *sizes,
    struct e2b_launch_list *out, const char *kernel, const char *more, struct e2b_error *err) {
    const struct e2b_attention_params *params = call->params;
    if (sizes->samples * sizes->heads * sizes->queries == 0)
        return NULL;
    return e2b_attention_launch(
        call, sizes, out, &e2b_source_attention, kernel, more, (double)params->scale, err);
}

enum e2b_status e2b_attention_lanes_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    struct e2b_launch *launch = begin(call, &sizes, out, "attention_lanes", " -DLANES", err);
    if (!launch)
        return err->status;
    int64_t blocks = e2b_ceil_div(sizes.queries, QUERIES);
    e2b_launch_grid(launch, (size_t)(sizes.samples * sizes.heads * blocks), 1, 1);
    e2b_launch_group(launch, 1, 1, 1);
    return E2B_OK;
}

enum e2b_status e2b_attention_tile_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    struct e2b_launch *launch = begin(call, &sizes, out, "attention_tile", " -DTILE", err);
    if (!launch)
        return err->status;
    e2b_launch_grid(launch, (size_t)e2b_ceil_div(sizes.queries, ROWS) * SIDE, SIDE,
        (size_t)(sizes.samples * sizes.heads));
    e2b_launch_group(launch, SIDE, SIDE, 1);
    return E2B_OK;
}

enum e2b_status e2b_attention_direct_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    struct e2b_launch *launch = begin(call, &sizes, out, "attention_direct", " -DDIRECT", err);
    if (!launch)
        return err->status;
    e2b_launch_grid(launch, (size_t)e2b_ceil_div(sizes.columns, PART), (size_t)sizes.queries,
        (size_t)(sizes.samples * sizes.heads));
    e2b_launch_group(launch, 4, 16, 1);
    return E2B_OK;
}
