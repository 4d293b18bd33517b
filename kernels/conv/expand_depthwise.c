#include "kernels/conv/expand_depthwise.h"

#include "kernels/common/jobs.h"
#include "kernels/conv/variants.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define JOBS_PER_UNIT 4
#define MAX_VECTORS 4
#define RUN 7 /* pixels of a depthwise register tile, at most */
#define MAX_RING_BYTES (256 * 1024)

extern const struct e2b_source e2b_source_expand_depthwise, e2b_source_expand_depthwise_cpu;

/* The two convolutions as calls of their own; the image between them has no memory. */
struct parts {
    struct e2b_conv_params params;
    struct e2b_operand in[E2B_CONV_BIAS + 1], between, depthwise_in[E2B_CONV_BIAS + 1];
    struct e2b_call expansion, depthwise;
};

static void separate(const struct e2b_call *call, struct parts *out) {
    const struct e2b_conv_params *params = call->params;
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    *out = (struct parts){
        .params = {.stride = {1, 1}, .dilation = {1, 1}, .group = 1, .epilogue = params->epilogue},
        .in = {call->inputs[E2B_CONV_X], call->inputs[E2B_EXPAND_W]},
        .between = {true, call->inputs[E2B_CONV_X].tensor, NULL},
        .expansion = *call,
        .depthwise = *call};
    if (e2b_has_input(call, E2B_EXPAND_BIAS))
        out->in[E2B_CONV_BIAS] = call->inputs[E2B_EXPAND_BIAS];
    out->params.kernel[0] = out->params.kernel[1] = 1;
    out->between.tensor.shape = (struct e2b_shape){.rank = 4,
        .dims = {
            x->dims[0], call->inputs[E2B_EXPAND_W].tensor.shape.dims[0], x->dims[2], x->dims[3]}};
    out->expansion.op = out->depthwise.op = &e2b_op_conv;
    out->expansion.params = &out->params;
    out->expansion.input_count = out->depthwise.input_count = E2B_CONV_BIAS + 1;
    out->expansion.inputs = out->in;
    out->expansion.outputs = &out->between;
    out->depthwise_in[E2B_CONV_X] = out->between;
    out->depthwise_in[E2B_CONV_W] = call->inputs[E2B_CONV_W];
    out->depthwise_in[E2B_CONV_BIAS] = call->inputs[E2B_CONV_BIAS];
    out->depthwise.inputs = out->depthwise_in;
}

static enum e2b_status import(const struct e2b_onnx_node *node, void *to, struct e2b_error *err) {
    return e2b_op_conv.import(node, to, err);
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    if (call->input_count <= E2B_EXPAND_W || !call->inputs[E2B_CONV_X].present
        || !call->inputs[E2B_EXPAND_W].present || call->inputs[E2B_CONV_RESIDUAL].present
        || call->inputs[E2B_CONV_X].tensor.shape.rank != 4
        || call->inputs[E2B_EXPAND_W].tensor.shape.rank != 4)
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": it takes an image and two sets of weights of rank 4, and no residual",
            call->name);
    struct parts parts;
    separate(call, &parts);
    if (e2b_op_conv.infer(&parts.expansion, err) != E2B_OK
        || e2b_op_conv.infer(&parts.depthwise, err) != E2B_OK)
        return err->status;
    const struct e2b_conv_params *params = call->params;
    if (params->group != parts.between.tensor.shape.dims[1]
        || params->group != call->outputs[0].tensor.shape.dims[1])
        return e2b_fail(
            err, E2B_INVALID, "\"%s\": its second convolution is not depthwise", call->name);
    return E2B_OK;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    struct parts parts;
    separate(call, &parts);
    double *between =
        calloc((size_t)e2b_shape_count(&parts.between.tensor.shape) + 1, sizeof *between);
    if (!between)
        abort();
    const double *const bias = e2b_has_input(call, E2B_EXPAND_BIAS) ? in[E2B_EXPAND_BIAS] : NULL;
    e2b_conv_reference(&parts.expansion,
        (const double *const[]){in[E2B_CONV_X], in[E2B_EXPAND_W], bias},
        (double *const[]){between});
    e2b_conv_reference(
        &parts.depthwise, (const double *const[]){between, in[E2B_CONV_W], in[E2B_CONV_BIAS]}, out);
    free(between);
}

static double flops(const struct e2b_call *call) {
    struct parts parts;
    separate(call, &parts);
    return e2b_op_conv.flops(&parts.expansion) + e2b_op_conv.flops(&parts.depthwise);
}

static bool accepts_direct(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct parts parts;
    separate(call, &parts);
    const char *refused = e2b_conv_refuses_packed(&parts.depthwise);
    if (!refused)
        refused = e2b_conv_refuses_weights(&parts.expansion);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

/* Tensors, weights and bias of the expansion in panels, then of the depthwise convolution; NULL
 * when out of memory. */
static struct e2b_launch *begin(const struct e2b_call *call, const struct parts *parts,
    struct e2b_launch_list *out, const struct e2b_source *source, const char *kernel,
    const char *more, const struct e2b_conv_panels *panels) {
    int64_t end = e2b_conv_channels_end(call);
    struct e2b_launch *launch = e2b_conv_launch(call, out, source, kernel, more);
    int packed[] = {e2b_conv_pack_panels(&parts->expansion, out, panels),
        e2b_conv_pack_bias(&parts->expansion, out, e2b_conv_panel_vectors(panels) * panels->lanes),
        e2b_conv_pack_depthwise(&parts->depthwise, out),
        e2b_pack_vector(out, parts->depthwise_in[E2B_CONV_BIAS].constant, end)};
    for (int i = 0; launch && i < 4; i++) {
        if (packed[i] < 0)
            return NULL;
        e2b_launch_packed(launch, packed[i]);
    }
    return launch;
}

static enum e2b_status emit_direct(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct parts parts;
    struct e2b_conv_geometry g;
    separate(call, &parts);
    e2b_conv_geometry(&parts.depthwise, &g);
    int64_t end = e2b_conv_channels_end(call);
    const struct e2b_conv_panels panels = {end, 1, 1, 1};
    struct e2b_launch *launch =
        begin(call, &parts, out, &e2b_source_expand_depthwise, "expand_depthwise", "", &panels);
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_int(launch, call->inputs[E2B_CONV_X].tensor.shape.dims[1]);
    e2b_conv_add_geometry(&parts.depthwise, launch);
    e2b_launch_grid(launch, (size_t)end, (size_t)(g.oh * g.ow), (size_t)g.n);
    e2b_launch_group(launch, 16, 4, 1);
    return E2B_OK;
}

/* How a CPU computes it: chunks of channels by bands of rows, a job each. */
struct shape {
    struct e2b_conv_panels chunks;
    int64_t rows, run, pitch, bands, ring_bytes;
};

static void cut_chunks(const struct e2b_call *call, int64_t width, struct shape *s) {
    int64_t end = e2b_conv_channels_end(call), lanes = e2b_conv_lanes(call), least = 0;
    for (int64_t vectors = MAX_VECTORS; vectors >= 1; vectors--) {
        int64_t rows, count = e2b_ceil_div(end / lanes, vectors);
        int64_t cost = count * e2b_conv_tile_cost(call, width, vectors, &rows);
        if (least > 0 && cost >= least)
            continue;
        least = cost;
        s->rows = rows;
        s->chunks = (struct e2b_conv_panels){lanes, vectors, count, count};
    }
}

static struct shape shape_of(const struct e2b_call *call, const struct parts *parts) {
    const struct e2b_conv_params *params = call->params;
    struct e2b_conv_geometry g;
    struct shape s;
    e2b_conv_geometry(&parts->depthwise, &g);
    cut_chunks(call, g.w, &s);
    s.run = e2b_ceil_div(g.ow, e2b_ceil_div(g.ow, RUN));
    int64_t read = (e2b_ceil_div(g.ow, s.run) * s.run - 1) * params->stride[1] + g.kw;
    s.pitch = read > params->pad[1] + g.w ? read : params->pad[1] + g.w;
    s.bands = e2b_ceil_div(JOBS_PER_UNIT * call->traits->compute_units, s.chunks.count * g.n);
    s.bands = s.bands < 1 ? 1 : s.bands > g.oh ? g.oh : s.bands;
    s.ring_bytes = g.kh * s.pitch * s.chunks.vectors * s.chunks.lanes * (int64_t)sizeof(float);
    return s;
}

static bool accepts_cpu(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const struct e2b_conv_params *params = call->params;
    struct parts parts;
    separate(call, &parts);
    const char *refused = NULL;
    if (!accepts_direct(call, reason, reason_bytes))
        return false;
    if (!call->traits->is_cpu || call->traits->channel_align % 8)
        refused = "made for a CPU, channels padded to a multiple of 8";
    else if (params->dilation[0] != 1 || params->dilation[1] != 1
        || params->stride[0] > params->kernel[0] || params->pad[0] >= params->kernel[0])
        refused = "dilated, or a stride or padding larger than the kernel";
    else if (shape_of(call, &parts).ring_bytes > MAX_RING_BYTES)
        refused = "rows that take more than 256 KiB";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

static enum e2b_status emit_cpu(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_conv_params *params = call->params;
    struct parts parts;
    separate(call, &parts);
    struct shape s = shape_of(call, &parts);
    char more[192];
    snprintf(more, sizeof more,
        "-DROWS=%d -DLANES=%d -DVECTORS=%d -DRUN=%d -DPITCH=%d -DKERNEL_H=%d -DKERNEL_W=%d "
        "-DSTRIDE_W=%d",
        (int)s.rows, (int)s.chunks.lanes, (int)s.chunks.vectors, (int)s.run, (int)s.pitch,
        (int)params->kernel[0], (int)params->kernel[1], (int)params->stride[1]);
    struct e2b_launch *launch = begin(call, &parts, out, &e2b_source_expand_depthwise_cpu,
        "expand_depthwise_cpu", more, &s.chunks);
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    e2b_launch_jobs(out, launch, call->traits, x->dims[0] * s.bands * s.chunks.count);
    e2b_launch_int(launch, s.chunks.count);
    e2b_launch_int(launch, s.bands);
    e2b_launch_int(launch, x->dims[1]);
    e2b_conv_add_geometry(&parts.depthwise, launch);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "bands_cpu", .accepts = accepts_cpu, .emit = emit_cpu},
    {.name = "direct", .accepts = accepts_direct, .emit = emit_direct},
    {.name = NULL},
};

const struct e2b_op e2b_op_expand_depthwise = {
    .name = "expand_depthwise",
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_conv_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_conv_params, epilogue),
};
