#include "kernels/attention/variants.h"
#include "kernels/common/jobs.h"

#include <stdio.h>

extern const struct e2b_source e2b_source_attention_mma;

#define MIN_SM 80
#define MAX_DEPTH 128 /* fragments of a warp's queries and sums stay in registers */
#define ALIGN 8       /* elements: what cp.async and pairs of results need */
#define CHUNK_BYTES 16
#define STAGES 2
#define MIN_KEYS 16
#define MAX_KEYS 64
#define MAX_LOCAL_BYTES (48 * 1024) /* of a static array */
#define ROWS 16                     /* queries of a warp */
#define LOG2E 1.4426950408889634

/* Warps share a group's keys and values; a warp has `bands` times ROWS queries. Two bands load keys
 * and values half as often; they never ran on a device and are tuning candidates only. */
struct shape {
    int warps, bands;
};

#define WARP 32
static const struct shape shapes[] = {{4, 1}, {2, 1}, {1, 1}, {8, 1}, {4, 2}, {2, 2}, {8, 2}};
#define SHAPE_COUNT ((int)(sizeof shapes / sizeof shapes[0]))

static int64_t row_bytes(const struct e2b_call *call, int64_t elements) {
    int64_t bytes = (int64_t)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    return (elements * bytes / CHUNK_BYTES | 1) * CHUNK_BYTES;
}

/* Of each key of a block; numbers of a mask that is the same for all queries are floats. */
static int64_t key_bytes(const struct e2b_call *call, const struct e2b_attention *sizes) {
    int64_t mask = e2b_attention_mask_kind(call, sizes) == 1 ? (int64_t)sizeof(float) : 0;
    return STAGES * (row_bytes(call, sizes->depth) + row_bytes(call, sizes->columns) + mask);
}

/* Keys of a block: as many as two blocks fit in local memory; below MIN_KEYS none does. With two
 * bands their scores take as many registers as those of twice the keys. */
static int64_t keys_of(
    const struct e2b_call *call, const struct e2b_attention *sizes, struct shape shape) {
    int64_t room =
        call->traits->local_bytes < MAX_LOCAL_BYTES ? call->traits->local_bytes : MAX_LOCAL_BYTES;
    int64_t keys = MAX_KEYS / shape.bands;
    while (keys >= MIN_KEYS && keys * key_bytes(call, sizes) > room)
        keys /= 2;
    return keys;
}

/* That a work-item may take, so that 4 groups of 4 warps, or 3, share a compute unit. */
static int registers_of(const struct e2b_call *call, struct shape shape) {
    bool half = call->outputs[0].tensor.dtype == E2B_F16;
    return half && shape.bands == 1 ? 128 : half || shape.bands == 1 ? 168 : 255;
}

static bool all_aligned(const int64_t stride[3]) {
    return stride[0] % ALIGN == 0 && stride[1] % ALIGN == 0 && stride[2] % ALIGN == 0;
}

static const char *refuses(const struct e2b_call *call, const struct e2b_attention *sizes) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    int64_t step = dtype == E2B_F16 ? 16 : 8;
    if (call->traits->ptx_sm < MIN_SM)
        return "needs PTX of sm_80";
    if (dtype != E2B_F16 && dtype != E2B_F32)
        return "neither fp32 nor fp16";
    if (sizes->depth % step || sizes->columns % step || sizes->depth > MAX_DEPTH
        || sizes->columns > MAX_DEPTH)
        return "heads must be 16, 32, ... 128 deep";
    if (!all_aligned(sizes->q) || !all_aligned(sizes->k) || !all_aligned(sizes->v)
        || !all_aligned(sizes->y))
        return "tokens or heads are not at multiples of 8 elements";
    if (!(((const struct e2b_attention_params *)call->params)->scale > 0))
        return "the scale is not positive";
    if (keys_of(call, sizes, shapes[0]) < MIN_KEYS)
        return "heads are too deep for the local memory";
    return NULL;
}

bool e2b_attention_mma_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_attention sizes;
    e2b_attention_read(call, false, &sizes);
    const char *refused = e2b_attention_refuses(call);
    if (!refused)
        refused = refuses(call, &sizes);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

int e2b_attention_mma_candidates(const struct e2b_call *call) {
    (void)call;
    return 1 + SHAPE_COUNT;
}

static int64_t groups_of(const struct e2b_attention *sizes, struct shape shape) {
    return sizes->samples * sizes->heads
        * e2b_ceil_div(sizes->queries, ROWS * shape.warps * shape.bands);
}

/* Fewer warps where all compute units would not have a group, unless a size was asked for. */
static struct shape choose_shape(const struct e2b_call *call, const struct e2b_attention *sizes) {
    if (call->candidate > 0 && call->candidate <= SHAPE_COUNT)
        return shapes[call->candidate - 1];
    for (int i = 0; i < SHAPE_COUNT; i++)
        if (shapes[i].warps * WARP == call->group_items)
            return shapes[i];
    struct shape shape = shapes[0];
    while (shape.warps > 1 && groups_of(sizes, shape) < call->traits->compute_units)
        shape.warps /= 2;
    return shape;
}

enum e2b_status e2b_attention_mma_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_attention_params *params = call->params;
    struct e2b_attention sizes;
    char options[96];
    e2b_attention_read(call, false, &sizes);
    if (sizes.samples * sizes.heads * sizes.queries == 0)
        return E2B_OK;
    struct shape shape = choose_shape(call, &sizes);
    int keys = (int)keys_of(call, &sizes, shape);
    snprintf(options, sizeof options, " -DWARPS=%d -DBANDS=%d -DKEYS=%d -cl-nv-maxrregcount=%d",
        shape.warps, shape.bands, keys, registers_of(call, shape));
    struct e2b_launch *launch = e2b_attention_launch(call, &sizes, out, &e2b_source_attention_mma,
        "attention_mma", options, (double)params->scale * LOG2E, err);
    if (!launch)
        return err->status;
    launch->local_bytes = (size_t)(keys * key_bytes(call, &sizes));
    size_t threads = (size_t)shape.warps * WARP;
    size_t heads = (size_t)(sizes.samples * sizes.heads);
    e2b_launch_grid(launch, (size_t)groups_of(&sizes, shape) / heads * threads, heads, 1);
    e2b_launch_group(launch, threads, 1, 1);
    return E2B_OK;
}
