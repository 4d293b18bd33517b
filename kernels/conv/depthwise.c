#include "kernels/conv/variants.h"

#include <stdio.h>

#define JOBS_PER_UNIT 8

static const char *refuses(const struct e2b_call *call, bool want_cpu) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    if (want_cpu && !call->traits->is_cpu)
        return "made for a CPU";
    if (g.group_c != 1 || g.group_m != 1 || g.group == 1)
        return "not depthwise";
    if (call->traits->channel_align % 4)
        return "channels are not padded to a multiple of 4";
    return e2b_conv_refuses_packed(call);
}

static bool accepts(const struct e2b_call *call, bool want_cpu, char *reason, size_t reason_bytes) {
    const char *refused = refuses(call, want_cpu);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

bool e2b_conv_depthwise_cpu_accepts(
    const struct e2b_call *call, char *reason, size_t reason_bytes) {
    return accepts(call, true, reason, reason_bytes);
}

bool e2b_conv_depthwise_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    return accepts(call, false, reason, reason_bytes);
}

/* A launch with tensors, weights and bias; NULL when out of memory. */
static struct e2b_launch *begin(const struct e2b_call *call, struct e2b_launch_list *out,
    const char *kernel, const char *more) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t padding = e2b_conv_channels_end(call) - g.m;
    struct e2b_launch *launch = e2b_conv_launch(call, out, kernel, more);
    int weights = e2b_conv_pack_depthwise(call, out);
    bool has_bias = e2b_has_input(call, E2B_CONV_BIAS);
    int bias =
        e2b_pack_vector(out, has_bias ? call->inputs[E2B_CONV_BIAS].constant : NULL, g.m + padding);
    if (!launch || weights < 0 || bias < 0)
        return NULL;
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    return launch;
}

enum e2b_status e2b_conv_depthwise_cpu_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t pixels = g.n * g.oh * g.ow;
    int64_t jobs = (int64_t)JOBS_PER_UNIT * call->traits->compute_units;
    jobs = jobs < 1 ? 1 : jobs > pixels ? pixels : jobs;
    struct e2b_launch *launch = begin(call, out, "conv_depthwise_cpu", "-DDEPTHWISE_CPU");
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_int(launch, jobs);
    e2b_conv_add_geometry(call, launch);
    e2b_launch_grid(launch, (size_t)jobs, 1, 1);
    e2b_launch_group(launch, 1, 1, 1);
    return E2B_OK;
}

enum e2b_status e2b_conv_depthwise_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    struct e2b_launch *launch = begin(call, out, "conv_depthwise", "-DDEPTHWISE");
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_conv_add_geometry(call, launch);
    size_t quads = (size_t)e2b_conv_channels_end(call) / 4;
    e2b_launch_grid(launch, quads, (size_t)(g.oh * g.ow), (size_t)g.n);
    size_t x = quads >= 16 ? 16 : quads >= 8 ? 8 : quads >= 4 ? 4 : 1;
    e2b_launch_group(launch, x, 128 / x, 1);
    return E2B_OK;
}
