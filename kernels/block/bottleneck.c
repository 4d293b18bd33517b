#include "kernels/block/bottleneck_pack.h"

#include "kernels/common/jobs.h"
#include "kernels/common/unit.h"

#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_bottleneck;

#define TEAMS 2
#define GROUP_ITEMS (TEAMS * 128)
#define REGISTERS 255
#define SIDE 8                        /* of a tile of outputs */
#define TILE_CHANNELS E2B_MATRIX_SIDE /* of a product's columns, and of a slab */
#define STEPS 4                       /* products that a slab is deep */
#define MOST_ROWS 128                 /* pixels that a tile needs */
#define MOST_OUT_TILES 4
#define STAGES 2
#define ROW_BYTES (TILE_CHANNELS * 2)
#define BIAS_BYTES (TILE_CHANNELS * (int64_t)sizeof(float))

/* What a call is to the kernel. */
struct problem {
    int64_t channels, wide, narrow, outputs; /* narrow: of the second convolution's output */
    int64_t shortcut_tiles;                  /* of weights, 0 without a shortcut */
    int64_t slabs, out_tiles, taps, rows, column_tiles, line_tiles, tiles, groups, local_bytes;
};

static struct problem problem_of(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const int64_t *x = call->inputs[E2B_BLOCK_X].tensor.shape.dims;
    const int64_t *y = call->outputs[0].tensor.shape.dims, *kernel = params->middle.kernel;
    const int64_t *middle = call->inputs[E2B_BLOCK_MIDDLE_W].tensor.shape.dims;
    int64_t units = e2b_units(call->traits);
    struct problem p = {.channels = x[1], .wide = middle[1], .narrow = middle[0], .outputs = y[1]};
    p.slabs = e2b_ceil_div(p.channels, TILE_CHANNELS);
    p.out_tiles = e2b_ceil_div(p.outputs, TILE_CHANNELS);
    p.taps = kernel[0] * kernel[1];
    p.rows = (SIDE + kernel[0] - 1) * (SIDE + kernel[1] - 1);
    p.line_tiles = e2b_ceil_div(y[2], SIDE);
    p.column_tiles = e2b_ceil_div(y[3], SIDE);
    p.tiles = y[0] * p.line_tiles * p.column_tiles;
    p.groups = p.tiles < units ? p.tiles : units;
    p.shortcut_tiles = e2b_has_input(call, E2B_BLOCK_SHORTCUT_W) ? p.out_tiles : 0;
    p.local_bytes = (p.slabs + p.taps + p.out_tiles + p.shortcut_tiles) * E2B_MATRIX_BYTES
        + TEAMS * (STAGES + 1) * e2b_ceil_div(p.rows, 8) * 8 * ROW_BYTES
        + (2 + p.out_tiles) * BIAS_BYTES;
    return p;
}

/* Fitted to ResNet-50's on an H200. A team's tile waits and is written, and has products that both
 * teams read local memory for, by half as much where one operand is in registers. */
#define TILE_NS 700.0
#define PRODUCT_NS 45.0
#define WEIGHT_BYTES_A_NS 50.0
#define OVERLAP_LOST 0.45 /* share of the lesser of work and memory that adds to the other */

static double cost_ns(const struct e2b_call *call, const struct problem *p) {
    double row_tiles = (double)e2b_ceil_div(p->rows, TILE_CHANNELS);
    double products = STEPS
        * ((double)p->slabs * row_tiles + (double)p->taps + (double)p->out_tiles / 2
            + (double)p->shortcut_tiles);
    double work =
        (double)e2b_ceil_div(p->tiles, p->groups * TEAMS) * (TILE_NS + products * PRODUCT_NS);
    double memory = e2b_block_memory_ns(call);
    double most = work > memory ? work : memory, least = work + memory - most;
    return E2B_BLOCK_LAUNCH_NS + (double)p->local_bytes / WEIGHT_BYTES_A_NS + most
        + OVERLAP_LOST * least;
}

/* Whether an output's own pixel is among those that it needs. */
static bool keeps_pixels(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_conv_params *middle = &params->middle;
    return middle->pad[0] < middle->kernel[0] && middle->pad[1] < middle->kernel[1];
}

static const char *refuses(const struct e2b_call *call) {
    const char *refused = e2b_block_refuses_bottleneck(call);
    if (refused)
        return refused;
    struct problem p = problem_of(call);
    if (p.wide > TILE_CHANNELS || p.narrow > TILE_CHANNELS)
        return "more than 64 channels between";
    if (p.shortcut_tiles && (p.slabs > 1 || !keeps_pixels(call)))
        return "a shortcut of more than 64 channels, or of other pixels";
    if (p.rows > MOST_ROWS || p.out_tiles > MOST_OUT_TILES)
        return "a large kernel, or more than 256 channels of output";
    return p.local_bytes + E2B_GROUP_BYTES > call->traits->local_bytes
        ? "weights do not fit local memory"
        : NULL;
}

bool e2b_block_bottleneck_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    return e2b_block_takes(refuses(call), reason, reason_bytes);
}

bool e2b_block_bottleneck_yields(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    return e2b_block_apart_is_faster(call, cost_ns(call, &p));
}

/* Weights of the first two convolutions, then their biases. */
static void pack_inner(const struct e2b_packing *packing, void *to) {
    struct problem p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *at = to;
    for (int64_t slab = 0; slab < p.slabs; slab++)
        at = e2b_block_put_matrix(at, packing->from[0],
            &(struct e2b_block_matrix){p.wide, p.channels, 1, 0, 0, slab * TILE_CHANNELS, false});
    for (int64_t tap = 0; tap < p.taps; tap++)
        at = e2b_block_put_matrix(at, packing->from[1],
            &(struct e2b_block_matrix){p.narrow, p.wide, p.taps, tap, 0, 0, false});
    float *bias = e2b_block_put_bias((float *)(void *)at, packing->from[2], p.wide, TILE_CHANNELS);
    e2b_block_put_bias(bias, packing->from[3], p.narrow, TILE_CHANNELS);
}

static void pack_projection(const struct e2b_packing *packing, void *to) {
    struct problem p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *at = to;
    for (int64_t tile = 0; tile < p.out_tiles; tile++)
        at = e2b_block_put_matrix(at, packing->from[0],
            &(struct e2b_block_matrix){p.outputs, p.narrow, 1, 0, tile * TILE_CHANNELS, 0, true});
    for (int64_t tile = 0; tile < p.shortcut_tiles; tile++)
        at = e2b_block_put_matrix(at, packing->from[2],
            &(struct e2b_block_matrix){
                p.outputs, p.channels, 1, 0, tile * TILE_CHANNELS, 0, false});
    float *bias = (float *)(void *)at;
    e2b_block_put_bias(bias, packing->from[1], p.outputs, p.out_tiles * TILE_CHANNELS);
    for (int64_t i = 0; packing->from[3] && i < p.outputs; i++)
        bias[i] += e2b_conv_weight_at(packing->from[3], i);
}

static int add_packing(struct e2b_launch_list *list, struct e2b_packing packing, const char *key,
    const struct problem *p) {
    _Static_assert(sizeof *p <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, p, sizeof *p);
    snprintf(packing.key, sizeof packing.key, "%s", key);
    return e2b_launch_list_pack(list, &packing);
}

enum e2b_status e2b_block_bottleneck_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_conv_block_params *params = call->params;
    struct problem p = problem_of(call);
    char more[144];
    snprintf(more, sizeof more,
        "-DSLABS=%d -DOUT_TILES=%d -DKERNEL=%d,%d%s -cl-nv-maxrregcount=%d -DPTX_TARGET=sm_90a",
        (int)p.slabs, (int)p.out_tiles, (int)params->middle.kernel[0],
        (int)params->middle.kernel[1], p.shortcut_tiles ? " -DSHORTCUT" : "", REGISTERS);
    struct e2b_launch *launch =
        e2b_block_launch(call, out, &e2b_source_bottleneck, "bottleneck", more);
    const struct e2b_packing inner = {.from = {e2b_block_constant(call, E2B_BLOCK_EXPANSION_W),
                                          e2b_block_constant(call, E2B_BLOCK_MIDDLE_W),
                                          e2b_block_constant(call, E2B_BLOCK_EXPANSION_BIAS),
                                          e2b_block_constant(call, E2B_BLOCK_MIDDLE_BIAS)},
        .bytes = (size_t)((p.slabs + p.taps) * E2B_MATRIX_BYTES + 2 * BIAS_BYTES),
        .pack = pack_inner};
    const struct e2b_packing projection = {
        .from = {e2b_block_constant(call, E2B_BLOCK_PROJECTION_W),
            e2b_block_constant(call, E2B_BLOCK_PROJECTION_BIAS),
            e2b_block_constant(call, E2B_BLOCK_SHORTCUT_W),
            e2b_block_constant(call, E2B_BLOCK_SHORTCUT_BIAS)},
        .bytes = (size_t)((p.out_tiles + p.shortcut_tiles) * E2B_MATRIX_BYTES
            + p.out_tiles * BIAS_BYTES),
        .pack = pack_projection};
    int first = add_packing(out, inner, "bottleneck-inner", &p);
    int last = add_packing(out, projection, "bottleneck-projection", &p);
    if (!launch || first < 0 || last < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_packed(launch, first);
    e2b_launch_packed(launch, last);
    e2b_launch_int(launch, p.tiles);
    e2b_launch_int(launch, p.column_tiles);
    e2b_launch_int(launch, p.line_tiles);
    e2b_block_add_geometry(call, launch);
    launch->local_bytes = (size_t)p.local_bytes;
    e2b_launch_grid(launch, (size_t)(p.groups * GROUP_ITEMS), 1, 1);
    e2b_launch_group(launch, GROUP_ITEMS, 1, 1);
    return E2B_OK;
}
