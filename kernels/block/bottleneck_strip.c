#include "kernels/block/bottleneck_pack.h"

#include "kernels/common/jobs.h"
#include "kernels/common/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_bottleneck_strip;

#define TEAMS 2
#define GROUP_ITEMS ((TEAMS + 1) * 128)
#define REGISTERS 168 /* of a thread, before they are moved to those that multiply */
#define COLUMNS 128   /* of a product */
#define SLAB_CHANNELS E2B_MATRIX_SIDE
#define SLAB_STEPS 4       /* products that a slab is deep */
#define MOST_ROWS 256      /* of a product, which go to teams by 64 */
#define MOST_KEPT_ROWS 128 /* from one step to the next */
#define STAGES 3
#define ROW_BYTES (SLAB_CHANNELS * 2)
#define MATRIX_BYTES (COLUMNS * ROW_BYTES)
#define STAGE_BYTES (MOST_ROWS * ROW_BYTES + MATRIX_BYTES)
#define BIAS_BYTES (COLUMNS * (int64_t)sizeof(float))
#define BARRIERS_BYTES (2 * STAGES * 8)

/* What a call is to the kernel. */
struct problem {
    int64_t samples, width, out_lines, out_width, kernel_h, kernel_w, pad_top;
    int64_t pitch, lines, lines_at_once; /* that local memory holds, that a step takes */
    int64_t few_lines;                   /* that are one tile of each team */
    int64_t slabs, wide_slabs, narrow_slabs, tap_slabs, out_tiles, local_bytes;
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t local_bytes_of(const struct problem *p) {
    int64_t wide_rows = e2b_ceil_div(p->lines * p->pitch, 8) * 8;
    return p->wide_slabs * wide_rows * ROW_BYTES + STAGES * STAGE_BYTES
        + (2 + p->out_tiles) * BIAS_BYTES + BARRIERS_BYTES;
}

static struct problem problem_of(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const int64_t *x = call->inputs[E2B_BLOCK_X].tensor.shape.dims;
    const int64_t *y = call->outputs[0].tensor.shape.dims, *kernel = params->middle.kernel;
    const int64_t *middle = call->inputs[E2B_BLOCK_MIDDLE_W].tensor.shape.dims;
    struct problem p = {.samples = y[0],
        .width = x[3],
        .out_lines = y[2],
        .out_width = y[3],
        .kernel_h = kernel[0],
        .kernel_w = kernel[1],
        .pad_top = params->middle.pad[0]};
    p.pitch = p.out_width + p.kernel_w - 1;
    p.lines_at_once = MOST_ROWS / p.width;
    p.few_lines = (MOST_ROWS / 2 + p.kernel_w - 1) / p.pitch;
    p.lines = (MOST_ROWS + p.kernel_w - 1) / p.pitch + p.kernel_h - 1;
    p.lines = least(p.lines, p.out_lines + p.kernel_h - 1);
    /* A step may make few lines only where all that come after it do. */
    if (p.lines_at_once < p.few_lines + p.kernel_h)
        p.lines = least(p.lines, p.few_lines + p.kernel_h - 1);
    p.slabs = e2b_ceil_div(x[1], SLAB_CHANNELS);
    p.wide_slabs = e2b_ceil_div(middle[1], SLAB_CHANNELS);
    p.narrow_slabs = e2b_ceil_div(middle[0], SLAB_CHANNELS);
    p.tap_slabs = p.kernel_h * p.kernel_w * p.wide_slabs;
    p.out_tiles = e2b_ceil_div(y[1], COLUMNS);
    p.local_bytes = local_bytes_of(&p);
    return p;
}

/* An image in strips of so many lines, a group each. */
struct cut {
    int64_t strips, lines, groups;
    double ns;
};

/* Guesses. For ResNet-50 on an H200 they are a tenth too much at batch 8, right at 32, and a fifth
 * too little at 128, as is the time of the parts. */
#define START_NS 2500.0        /* of a group, until its first products */
#define STEP_NS 1200.0         /* of a step, when nothing is multiplied */
#define PRODUCT_NS 42.0        /* of 64 rows and 128 columns, 16 deep */
#define NEAR_BYTES_A_NS 8000.0 /* that all groups get of the cache that they share */
#define UNIT_BYTES_A_NS 70.0   /* that one gets at most */
#define OVERLAP_LOST 0.45      /* share of the lesser of work and memory that adds to the other */
#define GAIN 1.1               /* that is asked for, since that is so */

/* Of a step that takes and makes so many lines; by what a group has of the cache. */
static double step_ns(const struct problem *p, int64_t taken, int64_t made, double bytes_a_ns) {
    int64_t row_tiles = e2b_ceil_div(taken * p->width, TEAMS * 64);
    int64_t out_row_tiles = e2b_ceil_div(made * p->pitch - p->kernel_w + 1, TEAMS * 64);
    int64_t out_slabs = p->out_tiles * p->narrow_slabs;
    int64_t slab_tiles = p->slabs * row_tiles + (p->tap_slabs + out_slabs) * out_row_tiles;
    int64_t pixels = taken * p->width * p->slabs + made * p->out_width * p->out_tiles * 2;
    double bytes = (double)((p->slabs + p->tap_slabs + out_slabs) * MATRIX_BYTES)
        + (double)(pixels * ROW_BYTES);
    double work = (double)(slab_tiles * TEAMS * SLAB_STEPS) * PRODUCT_NS;
    double fetching = bytes / bytes_a_ns;
    return STEP_NS + (work > fetching ? work : fetching);
}

/* A step of a group's way down its strip. */
struct step {
    int64_t held, taken, made, left; /* lines; left: to be made by it and those after it */
};

static struct step step_of(const struct problem *p, int64_t held, int64_t left) {
    int64_t most = least(p->lines_at_once, p->lines - held), others = p->kernel_h - 1 - held;
    struct step step = {.held = held, .taken = least(most, left + others), .left = left};
    step.made = step.taken - others;
    return step;
}

static struct step next_step(const struct problem *p, const struct step *step) {
    return step_of(p, p->kernel_h - 1, step->left - step->made);
}

static struct step first_step(const struct problem *p, const struct cut *cut, int64_t strip) {
    int64_t line = strip * cut->lines, held = p->pad_top - line;
    return step_of(p, held > 0 ? held : 0, least(cut->lines, p->out_lines - line));
}

/* Of the second strip, or the only one: those inside an image take longest. */
static double strip_ns(const struct problem *p, const struct cut *cut, double bytes_a_ns) {
    double ns = START_NS;
    struct step step = first_step(p, cut, cut->strips > 1);
    for (; step.left > 0; step = next_step(p, &step))
        ns += step_ns(p, step.taken, step.made, bytes_a_ns);
    return ns;
}

/* Tiles that a team has of the first product, in steps that make few lines. */
static int few_tiles_of(const struct problem *p, const struct cut *cut) {
    int64_t most = 1;
    for (int64_t strip = 0; strip < cut->strips; strip++)
        for (struct step at = first_step(p, cut, strip); at.left > 0; at = next_step(p, &at))
            if (at.made <= p->few_lines && at.taken > most)
                most = at.taken;
    return (int)e2b_ceil_div(most * p->width, TEAMS * 64);
}

static struct cut cut_of(const struct e2b_call *call, const struct problem *p, int64_t strips) {
    struct cut cut = {.lines = e2b_ceil_div(p->out_lines, strips)};
    double units = (double)e2b_units(call->traits), memory = e2b_block_memory_ns(call);
    cut.strips = e2b_ceil_div(p->out_lines, cut.lines);
    cut.groups = p->samples * cut.strips;
    double busy = (double)cut.groups < units ? (double)cut.groups : units;
    double bytes_a_ns = NEAR_BYTES_A_NS / busy;
    double one = strip_ns(p, &cut, bytes_a_ns < UNIT_BYTES_A_NS ? bytes_a_ns : UNIT_BYTES_A_NS);
    double work = ceil((double)cut.groups / units) * one;
    double most = work > memory ? work : memory, other = work + memory - most;
    cut.ns = E2B_BLOCK_LAUNCH_NS + most + OVERLAP_LOST * other;
    return cut;
}

/* Whether so many strips are as even as can be. */
static bool is_even(const struct problem *p, int64_t strips) {
    return e2b_ceil_div(p->out_lines, e2b_ceil_div(p->out_lines, strips)) == strips;
}

static struct cut choose(const struct e2b_call *call, const struct problem *p) {
    struct cut best = cut_of(call, p, 1);
    int candidate = 0;
    for (int64_t strips = 1; strips <= p->out_lines; strips++) {
        struct cut cut = cut_of(call, p, strips);
        if (is_even(p, strips) && ++candidate == call->candidate)
            return cut;
        if (cut.ns < best.ns)
            best = cut;
    }
    return best;
}

int e2b_block_bottleneck_strip_candidates(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    int count = 1;
    for (int64_t strips = 1; strips <= p.out_lines; strips++)
        count += is_even(&p, strips);
    return count;
}

static const char *refuses(const struct e2b_call *call) {
    const char *refused = e2b_block_refuses_bottleneck(call);
    if (refused)
        return refused;
    if (e2b_has_input(call, E2B_BLOCK_SHORTCUT_W))
        return "a shortcut";
    struct problem p = problem_of(call);
    if (p.wide_slabs * SLAB_CHANNELS > COLUMNS || p.narrow_slabs * SLAB_CHANNELS > COLUMNS)
        return "more than 128 channels between";
    if (p.pad_top >= p.kernel_h)
        return "pads that are larger than the kernel";
    if (p.lines < p.kernel_h || p.lines_at_once < p.kernel_h
        || (p.kernel_h - 1) * p.pitch > MOST_KEPT_ROWS)
        return "lines are too long";
    return p.local_bytes + E2B_GROUP_BYTES > call->traits->local_bytes ? "does not fit local memory"
                                                                       : NULL;
}

bool e2b_block_bottleneck_strip_accepts(
    const struct e2b_call *call, char *reason, size_t reason_bytes) {
    return e2b_block_takes(refuses(call), reason, reason_bytes);
}

bool e2b_block_bottleneck_strip_yields(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    return e2b_block_apart_is_faster(call, GAIN * choose(call, &p).ns);
}

struct packed {
    int64_t channels, wide, narrow, outputs, taps; /* channels of each image, taps of a kernel */
};

/* 128 columns of products, 64 deep. */
static uint16_t *put_slab(
    uint16_t *to, const struct e2b_constant *weights, struct e2b_block_matrix matrix) {
    to = e2b_block_put_matrix(to, weights, &matrix);
    matrix.first += E2B_MATRIX_SIDE;
    return e2b_block_put_matrix(to, weights, &matrix);
}

/* Weights of the first two convolutions in the order of products, then their biases. */
static void pack_inner(const struct e2b_packing *packing, void *to) {
    struct packed p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *at = to;
    for (int64_t c = 0; c < p.channels; c += SLAB_CHANNELS)
        at = put_slab(
            at, packing->from[0], (struct e2b_block_matrix){p.wide, p.channels, 1, 0, 0, c, false});
    for (int64_t tap = 0; tap < p.taps; tap++)
        for (int64_t c = 0; c < p.wide; c += SLAB_CHANNELS)
            at = put_slab(at, packing->from[1],
                (struct e2b_block_matrix){p.narrow, p.wide, p.taps, tap, 0, c, false});
    float *bias = e2b_block_put_bias((float *)(void *)at, packing->from[2], p.wide, COLUMNS);
    e2b_block_put_bias(bias, packing->from[3], p.narrow, COLUMNS);
}

static void pack_projection(const struct e2b_packing *packing, void *to) {
    struct packed p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *at = to;
    int64_t padded = e2b_ceil_div(p.outputs, COLUMNS) * COLUMNS;
    for (int64_t m = 0; m < p.outputs; m += COLUMNS)
        for (int64_t c = 0; c < p.narrow; c += SLAB_CHANNELS)
            at = put_slab(at, packing->from[0],
                (struct e2b_block_matrix){p.outputs, p.narrow, 1, 0, m, c, true});
    e2b_block_put_bias((float *)(void *)at, packing->from[1], p.outputs, padded);
}

static int add_packing(const struct e2b_call *call, struct e2b_launch_list *list,
    struct e2b_packing packing, const char *key) {
    const struct e2b_conv_block_params *params = call->params;
    const int64_t *middle = call->inputs[E2B_BLOCK_MIDDLE_W].tensor.shape.dims;
    const struct packed numbers = {.channels = call->inputs[E2B_BLOCK_X].tensor.shape.dims[1],
        .wide = middle[1],
        .narrow = middle[0],
        .outputs = call->outputs[0].tensor.shape.dims[1],
        .taps = params->middle.kernel[0] * params->middle.kernel[1]};
    _Static_assert(sizeof numbers <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &numbers, sizeof numbers);
    snprintf(packing.key, sizeof packing.key, "%s", key);
    return e2b_launch_list_pack(list, &packing);
}

static int add_inner(
    const struct e2b_call *call, const struct problem *p, struct e2b_launch_list *list) {
    const struct e2b_packing packing = {.from = {e2b_block_constant(call, E2B_BLOCK_EXPANSION_W),
                                            e2b_block_constant(call, E2B_BLOCK_MIDDLE_W),
                                            e2b_block_constant(call, E2B_BLOCK_EXPANSION_BIAS),
                                            e2b_block_constant(call, E2B_BLOCK_MIDDLE_BIAS)},
        .bytes = (size_t)((p->slabs + p->tap_slabs) * MATRIX_BYTES + 2 * BIAS_BYTES),
        .pack = pack_inner};
    return add_packing(call, list, packing, "bottleneck-strip-inner");
}

static int add_projection(
    const struct e2b_call *call, const struct problem *p, struct e2b_launch_list *list) {
    const struct e2b_packing packing = {.from = {e2b_block_constant(call, E2B_BLOCK_PROJECTION_W),
                                            e2b_block_constant(call, E2B_BLOCK_PROJECTION_BIAS)},
        .bytes = (size_t)(p->out_tiles * (p->narrow_slabs * MATRIX_BYTES + BIAS_BYTES)),
        .pack = pack_projection};
    return add_packing(call, list, packing, "bottleneck-strip-projection");
}

enum e2b_status e2b_block_bottleneck_strip_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct problem p = problem_of(call);
    struct cut cut = choose(call, &p);
    char more[240];
    snprintf(more, sizeof more,
        "-DWIDTH=%d -DOUT_WIDTH=%d -DKERNEL=%d,%d -DLINES=%d -DFEW_TILES=%d -DSLABS=%d "
        "-DWIDE_SLABS=%d -DNARROW_SLABS=%d -DOUT_TILES=%d -cl-nv-maxrregcount=%d "
        "-DPTX_TARGET=sm_90a",
        (int)p.width, (int)p.out_width, (int)p.kernel_h, (int)p.kernel_w, (int)p.lines,
        few_tiles_of(&p, &cut), (int)p.slabs, (int)p.wide_slabs, (int)p.narrow_slabs,
        (int)p.out_tiles, REGISTERS);
    struct e2b_launch *launch =
        e2b_block_launch(call, out, &e2b_source_bottleneck_strip, "bottleneck_strip", more);
    int inner = add_inner(call, &p, out), projection = add_projection(call, &p, out);
    if (!launch || inner < 0 || projection < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_packed(launch, inner);
    e2b_launch_packed(launch, projection);
    e2b_launch_int(launch, cut.strips);
    e2b_launch_int(launch, cut.lines);
    e2b_block_add_geometry(call, launch);
    launch->local_bytes = (size_t)e2b_ceil_div(p.local_bytes, 16) * 16;
    e2b_launch_grid(launch, (size_t)(cut.groups * GROUP_ITEMS), 1, 1);
    e2b_launch_group(launch, GROUP_ITEMS, 1, 1);
    return E2B_OK;
}
