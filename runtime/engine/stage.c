#include "runtime/engine/stage.h"

#include "kernels/chain.h"

#include <math.h>

#define JOBS_PER_WORKER 12
/* On a CPU: share of the work's time that the launches saved must have taken, since compiling is
 * worth it. */
#define LEAST_GAIN 0.1
#define FLOPS_A_LANE_NS 4
/* On a GPU, of a chain: */
#define GROUP_ITEMS 128
#define UNIT_ITEMS 256 /* that a compute unit holds at once, registers allowing no more */
/* What a stage takes, as fitted to networks on an H200: to begin, for each part that a group
 * computes, and for the work, of a compute unit in fp16. */
#define BEGIN_NS 1000.0
#define PART_NS 3000.0
#define BLOCK_PART_NS 2000.0 /* of those of a block, whose sums are short */
#define UNIT_FLOPS_NS 1500.0
#define F32_SLOWER 6.0
#define PART_ELEMENTS 4096.0 /* of an output */
#define SURE_GAIN 0.9        /* of what launches cost: they cost more or less on other hosts */
#define LONGEST 1.5          /* launches: a longer stage has more groups at once, alone */

static double slower(enum e2b_dtype precision) {
    return precision == E2B_F32 ? F32_SLOWER : 1;
}

static size_t items_of(const struct e2b_launch *launch) {
    size_t items = 1;
    for (int i = 0; i < 3; i++)
        items *= launch->local[i] > 1 ? launch->local[i] : 1;
    return items;
}

int64_t e2b_stage_groups(const struct e2b_launch *launch, int dimension) {
    size_t local = launch->local[dimension] > 1 ? launch->local[dimension] : 1;
    size_t global = launch->global[dimension] > 1 ? launch->global[dimension] : 1;
    return launch->jobs == 0 ? (int64_t)(global / local) : dimension == 0 ? launch->jobs : 1;
}

/* Parts of a stage that its jobs are made of (chain.cl): groups, or, of a kernel without barriers,
 * what as many work-items as a group of the chain do. */
static int64_t parts_of(const struct e2b_staging *staging, const struct e2b_launch *launch) {
    int64_t groups =
        e2b_stage_groups(launch, 0) * e2b_stage_groups(launch, 1) * e2b_stage_groups(launch, 2);
    int64_t items = (int64_t)items_of(launch), whole = (int64_t)staging->items;
    return launch->jobs > 0 ? groups : (groups * items + whole - 1) / whole;
}

/* What groups share jobs by itself has each alone. */
int64_t e2b_stage_parts_a_job(const struct e2b_staging *staging, const struct e2b_launch *launch) {
    if (launch->jobs > 0)
        return 1;
    int64_t jobs = (int64_t)JOBS_PER_WORKER * staging->traits->compute_units;
    return (parts_of(staging, launch) + jobs - 1) / jobs;
}

size_t e2b_stage_workers(const struct e2b_staging *staging) {
    size_t a_unit =
        staging->items > 1 && staging->items < UNIT_ITEMS ? UNIT_ITEMS / staging->items : 1;
    return (size_t)staging->traits->compute_units * a_unit;
}

/* What the launch takes as a stage of a GPU's chain. */
static double stage_ns(const struct e2b_staging *staging, const struct e2b_launch *launch) {
    int64_t groups =
        (int64_t)e2b_stage_workers(staging) > 0 ? (int64_t)e2b_stage_workers(staging) : 1;
    int64_t parts_a_group = (parts_of(staging, launch) + groups - 1) / groups;
    return BEGIN_NS + (double)parts_a_group * PART_NS
        + launch->flops * slower(staging->precision)
        / (staging->traits->compute_units * UNIT_FLOPS_NS);
}

bool e2b_stage_suits(const struct e2b_staging *staging, const struct e2b_launch *launch) {
    return staging->traits->is_cpu
        || stage_ns(staging, launch) <= LONGEST * staging->traits->launch_ns;
}

int64_t e2b_stage_jobs(const struct e2b_staging *staging, const struct e2b_launch *launch) {
    int64_t each = e2b_stage_parts_a_job(staging, launch);
    return (parts_of(staging, launch) + each - 1) / each;
}

/* On a CPU, if what is saved is some part of the work's time, as it would be at the device's peak;
 * on a GPU, where launches run into each other, if the stages take less than it takes to launch
 * them. */
bool e2b_stages_pay(const struct e2b_staging *staging, const struct e2b_step *steps, int count) {
    const struct e2b_traits *traits = staging->traits;
    double flops = 0, stages = 0;
    for (int i = 0; i < count; i++) {
        flops += steps[i].launch.flops;
        stages += stage_ns(staging, &steps[i].launch);
    }
    double lane_flops = traits->compute_units * (traits->vector_bytes / 2.0) * FLOPS_A_LANE_NS;
    return traits->is_cpu
        ? (double)(count - 1) * traits->launch_ns > LEAST_GAIN * flops / lane_flops
        : SURE_GAIN * (count - 1) * traits->launch_ns > stages;
}

/* A stage that writes so much, without its work. */
static double writing_ns(const struct e2b_traits *traits, int64_t written, double part_ns) {
    double parts = (double)written / PART_ELEMENTS;
    return BEGIN_NS + ceil(parts * GROUP_ITEMS / (traits->compute_units * UNIT_ITEMS)) * part_ns;
}

/* What merging saves of a node's launches, before these are known. */
static double saved_ns(const struct e2b_traits *traits, const struct e2b_graph *graph, int node) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    int64_t written[E2B_OP_LAUNCHES];
    const struct e2b_op *op = graph->nodes[node].op;
    e2b_graph_call(graph, node, inputs, outputs, &call);
    call.traits = traits;
    int alone = op->launches ? op->launches(&call, false, written) : 1;
    int stages = op->launches ? op->launches(&call, true, written) : 1;
    if (!op->launches)
        written[0] = e2b_shape_count(&call.outputs[0].tensor.shape);
    double saved = SURE_GAIN * alone * traits->launch_ns;
    for (int i = 0; i < stages; i++) {
        double stage = writing_ns(traits, written[i], op->launches ? BLOCK_PART_NS : PART_NS);
        bool suits = stage <= LONGEST * traits->launch_ns;
        saved -= suits ? stage : SURE_GAIN * traits->launch_ns;
    }
    return saved;
}

static bool wants_merging(const struct e2b_traits *traits, const struct e2b_graph *graph) {
    double saved = 0,
           work_ns = e2b_graph_flops(graph) * slower(graph->precision)
        / (traits->compute_units * UNIT_FLOPS_NS);
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op->layout != E2B_LAYOUT_VIEW)
            saved += saved_ns(traits, graph, i);
    return saved > work_ns;
}

int e2b_merge_items(
    const struct e2b_traits *traits, const struct e2b_graph *graph, enum e2b_merge_rule rule) {
    bool can = traits->ptx_sm > 0 && traits->compute_units > 0;
    bool merges = rule == E2B_MERGE_ALWAYS
        || (rule == E2B_MERGE_WHERE_IT_PAYS && can && wants_merging(traits, graph));
    return can && merges ? GROUP_ITEMS : 0;
}

size_t e2b_stages_items(const struct e2b_traits *traits, const struct e2b_step *steps, int count) {
    size_t commonest = 1;
    int most = 0;
    for (int i = 0; i < count; i++) {
        size_t items = items_of(&steps[i].launch);
        int same = 0;
        for (int k = i; k < count; k++)
            if (!steps[k].launch.routine && items_of(&steps[k].launch) == items)
                same += !traits->is_cpu && e2b_chain_has_barriers(&steps[k].launch) ? count : 1;
        if (same > most) {
            most = same;
            commonest = items;
        }
    }
    return commonest;
}
