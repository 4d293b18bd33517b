#include "kernels/common/jobs.h"
#include "kernels/conv/variants.h"

#include <stdio.h>

#define JOBS_PER_UNIT 12
#define MAX_LINE_BYTES                                                                             \
    (32 * 1024) /* of the copied lines: with a row of weights, in an L1 cache                      \
                 */
#define MAX_VECTORS 4

extern const struct e2b_source e2b_source_lines_cpu;

/* How a row of the output is computed. */
struct shape {
    int64_t lanes, vectors, panels, rows, pitch;
};

static struct shape shape_of(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    struct shape s = {.lanes = call->traits->vector_bytes < 64 ? 8 : 16, .vectors = MAX_VECTORS};
    int64_t vectors = e2b_ceil_div(e2b_conv_channels_end(call), s.lanes);
    s.vectors = vectors < MAX_VECTORS ? vectors : MAX_VECTORS;
    while (vectors % s.vectors)
        s.vectors--;
    s.panels = vectors / s.vectors;
    s.rows = e2b_conv_tile_rows(call, g->ow, s.vectors);
    s.pitch = (e2b_ceil_div(g->ow, s.rows) * s.rows - 1) * params->stride[1]
        + (g->kw - 1) * params->dilation[1] + 1;
    return s;
}

static int64_t line_bytes(const struct e2b_conv_geometry *g, const struct shape *s) {
    return g->c * g->kh * s->pitch * (int64_t)sizeof(float);
}

bool e2b_conv_lines_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = e2b_conv_refuses_weights(call);
    if (!call->traits->is_cpu)
        refused = "made for a CPU";
    else if (!refused && e2b_conv_has_pool(call->params))
        refused = "does not pool";
    else if (!refused && (g.group > 1 || g.c > E2B_CONV_PLANAR_CHANNELS))
        refused = "groups or more than 4 input channels";
    else if (!refused) {
        struct shape s = shape_of(call, &g);
        refused = line_bytes(&g, &s) > MAX_LINE_BYTES ? "lines of more than 32 KiB"
                                                      : e2b_conv_refuses_result(call);
    }
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

static struct e2b_launch *add_launch(const struct e2b_call *call, struct e2b_launch_list *out,
    const struct e2b_conv_geometry *g, const struct shape *s) {
    const struct e2b_conv_params *params = call->params;
    const struct e2b_tensor *x = &call->inputs[E2B_CONV_X].tensor;
    char more[192];
    snprintf(more, sizeof more,
        "-DROWS=%d -DLANES=%d -DVECTORS=%d -DPITCH=%d -DCHANNELS=%d -DKERNEL_H=%d -DKERNEL_W=%d "
        "-DSTRIDE_W=%d -DDILATION_W=%d%s",
        (int)s->rows, (int)s->lanes, (int)s->vectors, (int)s->pitch, (int)g->c, (int)g->kh,
        (int)g->kw, (int)params->stride[1], (int)params->dilation[1],
        x->stride[x->shape.rank - 1] == 1 ? " -DPLANAR" : "");
    return e2b_conv_launch(call, out, &e2b_source_lines_cpu, "conv_lines_cpu", more);
}

enum e2b_status e2b_conv_lines_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    struct shape s = shape_of(call, &g);
    const struct e2b_conv_panels panels = {s.lanes, s.vectors, s.panels, s.panels};
    int64_t lines = g.n * g.oh, jobs = (int64_t)JOBS_PER_UNIT * call->traits->compute_units;
    struct e2b_launch *launch = add_launch(call, out, &g, &s);
    int weights = e2b_conv_pack_panels(call, out, &panels);
    int bias = e2b_conv_pack_bias(call, out, s.panels * s.vectors * s.lanes);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    e2b_launch_jobs(out, launch, call->traits, jobs < 1 ? 1 : jobs > lines ? lines : jobs);
    e2b_launch_int(launch, s.panels);
    e2b_launch_int(launch, call->inputs[E2B_CONV_X].tensor.stride[1]);
    e2b_conv_add_geometry(call, launch);
    return E2B_OK;
}
