#include "tests/runtime/engine/choices.h"

#include "tests/support.h"

#include <string.h>

static const int good_ns[] = {CHOICES_GOOD_NS};
static const struct e2b_source source = {"choices.cl", "", 0};

static enum e2b_status emit(const char *kernel, const struct e2b_call *call,
    struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_launch *launch = e2b_launch_add(out, &source, kernel, "-DKERNEL=%s", kernel);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    e2b_launch_input(launch, 0);
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, e2b_shape_count(&call->outputs[0].tensor.shape));
    e2b_launch_grid(launch, 1, 1, 1);
    return E2B_OK;
}

#define EMIT(name)                                                                                 \
    static enum e2b_status emit_##name(                                                            \
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {         \
        return emit(#name, call, out, err);                                                        \
    }
EMIT(standard)
EMIT(near)
EMIT(wrong)
EMIT(silent)
EMIT(absent)

static enum e2b_status emit_good(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    char kernel[16];
    snprintf(kernel, sizeof kernel, "good%d", good_ns[call->candidate]);
    return emit(kernel, call, out, err);
}

static int four(const struct e2b_call *call) {
    (void)call;
    return 4;
}

static bool never(const struct e2b_call *call, char *reason, size_t bytes) {
    (void)call;
    snprintf(reason, bytes, "picky");
    return false;
}

static const struct e2b_variant variants[] = {{"standard", NULL, NULL, emit_standard},
    {"good", NULL, four, emit_good}, {"near", NULL, NULL, emit_near},
    {"wrong", NULL, NULL, emit_wrong}, {"silent", NULL, NULL, emit_silent},
    {"absent", NULL, NULL, emit_absent}, {"picky", never, NULL, emit_standard}, {0}};
static const struct e2b_variant near_variants[] = {
    {"standard", NULL, NULL, emit_standard}, {"near", NULL, NULL, emit_near}, {0}};
static const struct e2b_variant single_variants[] = {{"standard", NULL, NULL, emit_standard}, {0}};

const struct e2b_op choices_op = {
    .name = "choices", .layout = E2B_LAYOUT_FOLLOW, .variants = variants};
const struct e2b_op choices_near_op = {
    .name = "near", .layout = E2B_LAYOUT_FOLLOW, .variants = near_variants};
const struct e2b_op choices_single_op = {
    .name = "single", .layout = E2B_LAYOUT_FOLLOW, .variants = single_variants};

/* What a kernel is: its cost, and what it makes of x. */
struct behaviour {
    const char *name;
    int64_t ns;
    float factor; /* 0: writes nothing */
};
static const struct behaviour behaviours[] = {{"standard", CHOICES_STANDARD_NS, 2},
    {"good60", 60, 2}, {"good40", 40, 2}, {"good30", 30, 2}, {"near", 99, 2}, {"wrong", 10, 2.1f},
    {"silent", 5, 0}};
#define BEHAVIOURS (sizeof behaviours / sizeof behaviours[0])

struct kernel {
    const struct behaviour *behaviour;
    int64_t *runs;
};

static void run(void *context, const struct e2b_sim_args *args) {
    const struct kernel *kernel = context;
    const float *x = (const float *)args->list[0].buffer + e2b_sim_int(args, 1);
    float *y = (float *)args->list[2].buffer + e2b_sim_int(args, 3);
    ++*kernel->runs;
    for (int i = 0; kernel->behaviour->factor != 0 && i < e2b_sim_int(args, 4); i++)
        y[i] = kernel->behaviour->factor * x[i];
}

static int64_t cost(void *context, const struct e2b_sim_args *args) {
    const struct kernel *kernel = context;
    return kernel->behaviour->ns * e2b_sim_int(args, 4);
}

struct e2b_device *choices_device(int64_t *runs) {
    static struct kernel contexts[BEHAVIOURS];
    struct e2b_sim_kernel kernels[BEHAVIOURS];
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    *runs = 0;
    for (size_t i = 0; i < BEHAVIOURS; i++) {
        contexts[i] = (struct kernel){&behaviours[i], runs};
        kernels[i] = (struct e2b_sim_kernel){
            .name = behaviours[i].name, .run = run, .cost = cost, .context = &contexts[i]};
    }
    const struct e2b_sim_options options = {
        .kernels = kernels, .kernel_count = BEHAVIOURS, .seed = 1};
    assert_ok(e2b_sim_create(&options, &device, &err), err);
    return device;
}

static void vector(struct e2b_value *value, int64_t length) {
    *value = (struct e2b_value){.name = "v", .producer = -1, .storage = -1};
    value->tensor = (struct e2b_tensor){.dtype = E2B_F32, .shape = {1, {length}}};
    e2b_tensor_set_dense(&value->tensor, 1);
}

void choices_graph_init(struct choices_graph *graph, const struct e2b_op *op, int batch,
    const int64_t *lengths, int count) {
    memset(graph, 0, sizeof *graph);
    for (int i = 0; i < count; i++) {
        int *link = &graph->links[2 * i];
        for (int k = 0; k < 2; k++) {
            link[k] = 2 * i + k;
            vector(&graph->values[link[k]], lengths[i]);
        }
        graph->nodes[i] = (struct e2b_node){.op = op,
            .name = "n",
            .input_count = 1,
            .output_count = 1,
            .inputs = link,
            .outputs = link + 1};
    }
    graph->graph = (struct e2b_graph){.batch = batch,
        .precision = E2B_F32,
        .values = graph->values,
        .value_count = 2 * count,
        .nodes = graph->nodes,
        .node_count = count};
}
