#include "runtime/engine/plan.h"

#include "runtime/engine/bind.h"
#include "runtime/engine/entry.h"
#include "runtime/engine/merge.h"
#include "runtime/engine/stage.h"
#include "runtime/engine/variant.h"
#include "runtime/model/memory_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct e2b_plan {
    struct e2b_device *device;
    const struct e2b_graph *graph;
    struct e2b_weights *weights;
    struct e2b_programs *programs;
    struct e2b_step *steps;
    int step_count, step_capacity;
    struct e2b_memory_layout memory;
};

static enum e2b_status add_step(struct e2b_plan *plan, const struct e2b_launch *launch, int node,
    const char *variant, struct e2b_error *err) {
    if (plan->step_count == plan->step_capacity) {
        int capacity = plan->step_capacity ? 2 * plan->step_capacity : 64;
        struct e2b_step *steps = realloc(plan->steps, (size_t)capacity * sizeof *steps);
        if (!steps)
            return e2b_fail_memory(err, "a plan");
        plan->steps = steps;
        plan->step_capacity = capacity;
    }
    struct e2b_step *step = &plan->steps[plan->step_count++];
    memset(step, 0, sizeof *step);
    step->launch = *launch;
    step->node = node;
    step->variant = variant;
    step->program = -1;
    return E2B_OK;
}

/* Emitted nodes, kept until their arguments can be bound. */
struct emitted {
    struct e2b_launch_list *lists; /* one a node */
    const char **variants;
};

static enum e2b_status emit_all(struct e2b_plan *plan, const struct e2b_plan_options *options,
    struct emitted *emitted, struct e2b_error *err) {
    int merged = options->force_variant
        ? 0
        : e2b_merge_items(&plan->device->traits, plan->graph, options->merge);
    for (int i = 0; i < plan->graph->node_count; i++) {
        if (plan->graph->nodes[i].op->layout == E2B_LAYOUT_VIEW)
            continue;
        const struct e2b_variant_request request = {
            .graph = plan->graph,
            .node = i,
            .traits = &plan->device->traits,
            .force = options->force_variant,
            .candidate = options->candidate,
            .tuning = options->tuning,
            .group_items = merged ? merged : options->group_items,
            .explain = options->explain,
        };
        if (e2b_variant_emit(&request, &emitted->lists[i], &emitted->variants[i], err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status pack_all(
    struct e2b_plan *plan, const struct emitted *emitted, struct e2b_error *err) {
    int nodes = plan->graph->node_count, count = 0;
    for (int i = 0; i < nodes; i++)
        count += emitted->lists[i].packing_count;
    const struct e2b_packing **packings = calloc((size_t)count + 1, sizeof *packings);
    if (!packings)
        return e2b_fail_memory(err, "a plan");
    count = 0;
    for (int i = 0; i < nodes; i++)
        for (int k = 0; k < emitted->lists[i].packing_count; k++)
            packings[count++] = &emitted->lists[i].packings[k];
    e2b_weights_get_all(plan->weights, packings, count, err);
    free(packings);
    return err->status;
}

static enum e2b_status bind_node(
    struct e2b_plan *plan, struct emitted *emitted, int node, struct e2b_error *err) {
    const struct e2b_launch_list *list = &emitted->lists[node];
    struct e2b_binder binder = {
        .graph = plan->graph,
        .node = node,
        .list = list,
        .weights = plan->weights,
        .memory = &plan->memory,
        .channel_align = plan->device->traits.channel_align,
    };
    for (int i = 0; i < list->launch_count; i++) {
        if (add_step(plan, &list->launches[i], node, emitted->variants[node], err) != E2B_OK)
            return err->status;
        struct e2b_step *step = &plan->steps[plan->step_count - 1];
        if (i == 0)
            e2b_bind_zeroed(&binder, step);
        if (e2b_bind_launch(&binder, step, err) != E2B_OK)
            return e2b_error_while(err, "planning node \"%s\" (%s)", plan->graph->nodes[node].name,
                plan->graph->nodes[node].op->name);
    }
    return E2B_OK;
}

/* A launch that takes its arguments one by one takes each packing as a buffer. */
static enum e2b_status part_packings(
    struct e2b_plan *plan, struct e2b_step *step, struct e2b_error *err) {
    for (int i = 0; i < step->launch.arg_count && err->status == E2B_OK; i++) {
        struct e2b_bound_arg *arg = &step->args[i];
        if (!arg->is_value && arg->place == E2B_PLACE_WEIGHTS && !arg->packed.buffer)
            e2b_weights_part(plan->weights, &arg->packed, err);
    }
    return err->status;
}

static enum e2b_status want_programs(
    struct e2b_plan *plan, bool one_by_one, struct e2b_error *err) {
    for (int i = 0; i < plan->step_count; i++) {
        struct e2b_step *step = &plan->steps[i];
        if (step->chain)
            continue;
        if (!one_by_one && e2b_entry_suits(&plan->device->traits, &step->launch))
            step->entry = e2b_entry_create(plan->programs, step);
        else if (part_packings(plan, step, err) != E2B_OK)
            return err->status;
        else if (!step->launch.routine)
            step->program =
                e2b_programs_want(plan->programs, step->launch.source, step->launch.options);
        if (step->program < 0 && !step->launch.routine)
            return e2b_fail_memory(err, "a program");
    }
    return E2B_OK;
}

static enum e2b_status build(struct e2b_plan *plan, const struct e2b_plan_options *options,
    struct emitted *emitted, struct e2b_error *err) {
    if (emit_all(plan, options, emitted, err) != E2B_OK)
        return err->status;
    if (e2b_memory_layout_init(
            &plan->memory, plan->graph, emitted->lists, &plan->device->traits, err)
        != E2B_OK)
        return err->status;
    if (pack_all(plan, emitted, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < plan->graph->node_count; i++)
        if (bind_node(plan, emitted, i, err) != E2B_OK)
            return err->status;
    const struct e2b_merge_options merging = {.always = options->merge == E2B_MERGE_ALWAYS,
        .precision = plan->graph->precision,
        .times = options->times};
    if (options->merge != E2B_MERGE_NEVER
        && e2b_merge(plan->device, plan->programs, &merging, &plan->memory, &plan->steps,
               &plan->step_count, err)
            != E2B_OK)
        return err->status;
    if (want_programs(plan, options->one_by_one, err) != E2B_OK)
        return err->status;
    return options->defer_build ? E2B_OK : e2b_programs_build(plan->programs, options->quiet, err);
}

enum e2b_status e2b_plan_create(struct e2b_device *device, const struct e2b_graph *graph,
    struct e2b_weights *weights, struct e2b_programs *programs,
    const struct e2b_plan_options *options, struct e2b_plan **out, struct e2b_error *err) {
    static const struct e2b_plan_options defaults = {0};
    size_t count = (size_t)graph->node_count + 1;
    struct e2b_plan *plan = calloc(1, sizeof *plan);
    struct emitted emitted = {
        calloc(count, sizeof *emitted.lists), calloc(count, sizeof *emitted.variants)};
    if (plan && emitted.lists && emitted.variants) {
        *plan = (struct e2b_plan){
            .device = device, .graph = graph, .weights = weights, .programs = programs};
        build(plan, options ? options : &defaults, &emitted, err);
    } else {
        e2b_fail_memory(err, "a plan");
    }
    for (int i = 0; emitted.lists && i < graph->node_count; i++)
        e2b_launch_list_finish(&emitted.lists[i]);
    free(emitted.lists);
    free(emitted.variants);
    if (err->status != E2B_OK) {
        e2b_plan_destroy(plan);
        return err->status;
    }
    *out = plan;
    return E2B_OK;
}

void e2b_plan_destroy(struct e2b_plan *plan) {
    if (!plan)
        return;
    for (int i = 0; i < plan->step_count; i++) {
        e2b_chain_destroy(plan->device, plan->steps[i].chain);
        free(plan->steps[i].entry);
    }
    e2b_memory_layout_finish(&plan->memory);
    free(plan->steps);
    free(plan);
}

struct e2b_device *e2b_plan_device(const struct e2b_plan *plan) {
    return plan->device;
}

const struct e2b_graph *e2b_plan_graph(const struct e2b_plan *plan) {
    return plan->graph;
}

int e2b_plan_step_count(const struct e2b_plan *plan) {
    return plan->step_count;
}

const struct e2b_step *e2b_plan_step(const struct e2b_plan *plan, int index) {
    return &plan->steps[index];
}

struct e2b_program *e2b_plan_program(const struct e2b_plan *plan, const struct e2b_step *step) {
    return e2b_programs_get(plan->programs, step->program);
}

int64_t e2b_plan_arena_bytes(const struct e2b_plan *plan) {
    return plan->memory.arena_bytes;
}

void e2b_plan_suit_graph(const struct e2b_traits *traits, struct e2b_graph_options *options) {
    options->channel_align = traits->channel_align;
    options->traits = traits;
    options->core_caches = traits->is_cpu;
    options->sums_rows = traits->ptx_sm >= E2B_MMA_SM;
    options->joins_blocks = traits->ptx_sm >= E2B_MMA_SM && options->precision == E2B_F16;
}
