#include "runtime/engine/trial.h"

#include "runtime/base/clock.h"
#include "runtime/engine/instance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES (E2B_MAX_INPUTS + E2B_MAX_OUTPUTS)
#define MAX_CHOICES 2
#define BURST 8            /* runs enqueued at once, so that the device does not fall idle */
#define MIN_BURSTS 3       /* of each choice */
#define MAX_BURSTS 8       /* of each choice */
#define ENOUGH_NS 20000000 /* of runs of a choice */
#define PATTERN 65521      /* random elements, repeated: a prime, so that no two rows are alike */
#define POISON 0xff        /* NaN as fp32 and fp16 */
#define CHECKED_RUNS 3
#define ROW_CHUNK 256

struct e2b_trial {
    struct e2b_device *device;
    struct e2b_programs *programs;
    struct e2b_weights *weights;
    struct e2b_queue *queue;
    struct e2b_graph graph;
    struct e2b_node node;
    struct e2b_value values[MAX_VALUES];
    struct e2b_storage storages[MAX_VALUES];
    struct e2b_buffer *buffers[MAX_VALUES]; /* one a storage */
    struct e2b_buffer *inputs[E2B_MAX_INPUTS], *outputs[E2B_MAX_OUTPUTS];
    int operands[MAX_VALUES]; /* values of the node: inputs, then outputs */
    char *expected[E2B_MAX_OUTPUTS];
};

static void add_operand(struct e2b_trial *trial, const struct e2b_graph *graph, int from, int slot,
    enum e2b_storage_kind kind, int *index) {
    trial->operands[slot] = from < 0 ? -1 : trial->graph.value_count;
    if (from < 0)
        return;
    struct e2b_value *value = &trial->values[trial->graph.value_count++];
    *value = graph->values[from];
    value->offset = 0;
    value->storage = -1;
    value->producer = kind == E2B_STORAGE_OUTPUT ? 0 : -1;
    if (value->constant)
        return;
    int align = trial->device->traits.channel_align;
    int64_t bytes =
        e2b_tensor_extent(&value->tensor, align) * (int64_t)e2b_dtype_bytes(value->tensor.dtype);
    value->storage = trial->graph.storage_count++;
    trial->storages[value->storage] =
        (struct e2b_storage){.kind = kind, .index = (*index)++, .bytes = bytes > 0 ? bytes : 1};
}

static void take_node(struct e2b_trial *trial, const struct e2b_graph *graph, int index) {
    const struct e2b_node *node = &graph->nodes[index];
    trial->node = *node;
    trial->node.inputs = trial->operands;
    trial->node.outputs = trial->operands + node->input_count;
    trial->graph = (struct e2b_graph){.model = graph->model,
        .batch = graph->batch,
        .precision = graph->precision,
        .values = trial->values,
        .nodes = &trial->node,
        .node_count = 1,
        .storages = trial->storages};
    for (int i = 0; i < node->input_count; i++)
        add_operand(trial, graph, node->inputs[i], i, E2B_STORAGE_INPUT, &trial->graph.input_count);
    for (int i = 0; i < node->output_count; i++)
        add_operand(trial, graph, node->outputs[i], node->input_count + i, E2B_STORAGE_OUTPUT,
            &trial->graph.output_count);
}

static void fill_random(char *to, enum e2b_dtype dtype, int64_t bytes) {
    uint32_t state = 1;
    int64_t size = (int64_t)e2b_dtype_bytes(dtype), pattern = PATTERN * size;
    int64_t made = bytes < pattern ? bytes : pattern;
    bool is_byte = dtype == E2B_U8 || dtype == E2B_I8;
    memset(to, 0, (size_t)bytes);
    if (!is_byte && !e2b_dtype_is_float(dtype))
        return;
    for (int64_t at = 0; at + size <= made; at += size) {
        state = state * 1664525u + 1013904223u;
        double value = is_byte ? (double)(state >> 25) : (double)(state >> 8) / (1 << 24);
        e2b_from_double(dtype, &value, to + at, 1);
    }
    for (int64_t at = made; at < bytes; at += pattern)
        memcpy(to + at, to, (size_t)(bytes - at < pattern ? bytes - at : pattern));
}

static enum e2b_status write_input(
    struct e2b_trial *trial, const struct e2b_value *value, struct e2b_error *err) {
    const struct e2b_device_ops *ops = trial->device->ops;
    int64_t bytes = trial->storages[value->storage].bytes;
    char *data = malloc((size_t)bytes);
    if (!data)
        return e2b_fail_memory(err, "a trial's input");
    fill_random(data, value->tensor.dtype, bytes);
    if (ops->enqueue_write(
            trial->queue, trial->buffers[value->storage], 0, data, (size_t)bytes, NULL, err)
        == E2B_OK)
        ops->finish(trial->queue, err);
    free(data);
    return err->status;
}

static enum e2b_status make_buffers(struct e2b_trial *trial, struct e2b_error *err) {
    const struct e2b_device_ops *ops = trial->device->ops;
    for (int i = 0; i < trial->graph.value_count; i++) {
        const struct e2b_value *value = &trial->values[i];
        if (value->storage < 0)
            continue;
        const struct e2b_storage *storage = &trial->storages[value->storage];
        struct e2b_buffer **buffer = &trial->buffers[value->storage];
        if (ops->buffer_create(
                trial->device, E2B_MEMORY_DEVICE, (size_t)storage->bytes, buffer, err)
            != E2B_OK)
            return err->status;
        bool is_input = storage->kind == E2B_STORAGE_INPUT;
        (is_input ? trial->inputs : trial->outputs)[storage->index] = *buffer;
        if (is_input && write_input(trial, value, err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

enum e2b_status e2b_trial_create(struct e2b_device *device, const struct e2b_graph *graph, int node,
    struct e2b_programs *programs, struct e2b_trial **out, struct e2b_error *err) {
    struct e2b_trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return e2b_fail_memory(err, "a trial");
    trial->device = device;
    trial->programs = programs;
    take_node(trial, graph, node);
    if (device->ops->queue_create(device, &trial->queue, err) != E2B_OK
        || e2b_weights_create(device, &trial->weights, err) != E2B_OK
        || make_buffers(trial, err) != E2B_OK) {
        e2b_trial_destroy(trial);
        return err->status;
    }
    *out = trial;
    return E2B_OK;
}

void e2b_trial_destroy(struct e2b_trial *trial) {
    if (!trial)
        return;
    e2b_weights_destroy(trial->weights);
    if (trial->queue)
        trial->device->ops->queue_destroy(trial->device, trial->queue);
    for (int i = 0; i < MAX_VALUES; i++)
        trial->device->ops->buffer_destroy(trial->device, trial->buffers[i]);
    for (int i = 0; i < E2B_MAX_OUTPUTS; i++)
        free(trial->expected[i]);
    free(trial);
}

/* A choice ready to run; zeroed is empty. */
struct runner {
    struct e2b_device *device;
    struct e2b_plan *plan;
    struct e2b_instance *instance;
    int64_t times_ns[MAX_BURSTS * BURST];
    int run_count;
};

static void runner_finish(struct runner *runner) {
    e2b_instance_destroy(runner->instance);
    e2b_plan_destroy(runner->plan);
    memset(runner, 0, sizeof *runner);
}

static enum e2b_status check_programs(const struct e2b_plan *plan, struct e2b_error *err) {
    for (int i = 0; i < e2b_plan_step_count(plan); i++) {
        const struct e2b_step *step = e2b_plan_step(plan, i);
        if (step->program >= 0 && !e2b_plan_program(plan, step))
            return e2b_fail(err, E2B_UNSUPPORTED, "%s does not build with %s",
                step->launch.source->path, step->launch.options);
    }
    return E2B_OK;
}

static enum e2b_status runner_init(struct runner *runner, const struct e2b_trial *trial,
    const struct e2b_choice *choice, struct e2b_error *err) {
    memset(runner, 0, sizeof *runner);
    runner->device = trial->device;
    char force[96];
    snprintf(force, sizeof force, "%s.%s", trial->node.op->name, choice->variant);
    const struct e2b_plan_options options = {.force_variant = force,
        .candidate = choice->candidate,
        .one_by_one = true,
        .defer_build = true};
    const struct e2b_io_buffers io = {trial->inputs, trial->outputs};
    if (e2b_plan_create(trial->device, &trial->graph, trial->weights, trial->programs, &options,
            &runner->plan, err)
            == E2B_OK
        && check_programs(runner->plan, err) == E2B_OK)
        e2b_instance_create(runner->plan, &io, &runner->instance, err);
    if (err->status != E2B_OK)
        runner_finish(runner);
    return err->status;
}

/* What the events say, or else a share of the whole. */
static int64_t span_ns(
    const struct e2b_device_ops *ops, struct e2b_event *begin, struct e2b_event *end) {
    struct e2b_event_times first = {0}, last = {0};
    ops->event_times(begin ? begin : end, &first);
    ops->event_times(end, &last);
    return last.ended_ns - first.started_ns;
}

/* A burst of runs; times_ns gets one a run. */
static enum e2b_status run_burst(
    struct runner *runner, int count, int64_t *times_ns, struct e2b_error *err) {
    const struct e2b_device_ops *ops = runner->device->ops;
    struct e2b_event *begin[BURST] = {0}, *end[BURST] = {0};
    struct e2b_queue *queue = e2b_instance_queue(runner->instance);
    int64_t start_ns = ops->now_ns(runner->device);
    for (int i = 0; i < count && err->status == E2B_OK; i++)
        e2b_instance_run(runner->instance, 0, &begin[i], &end[i], err);
    struct e2b_error late = {0};
    if (ops->finish(queue, &late) != E2B_OK && err->status == E2B_OK)
        *err = late;
    int64_t share_ns = (ops->now_ns(runner->device) - start_ns) / count;
    for (int i = 0; i < count; i++) {
        if (end[i] && err->status == E2B_OK && ops->event_state(end[i], err) == E2B_EVENT_FAILED)
            e2b_fail(err, E2B_DEVICE, "a kernel failed");
        int64_t span = end[i] && err->status == E2B_OK ? span_ns(ops, begin[i], end[i]) : 0;
        times_ns[i] = span > 0 ? span : share_ns > 0 ? share_ns : 1;
        ops->event_release(begin[i]);
        ops->event_release(end[i]);
    }
    return err->status;
}

/* Bursts in turns until every choice has run long enough. */
static enum e2b_status time_in_turns(
    struct runner *runners, int count, int64_t *times_ns, struct e2b_error *err) {
    int64_t slowest = 1;
    for (int i = 0; i < count; i++)
        slowest = times_ns[i] > slowest ? times_ns[i] : slowest;
    int64_t wanted = ENOUGH_NS / slowest, most = MAX_BURSTS * BURST;
    wanted = wanted < MIN_BURSTS ? MIN_BURSTS : wanted > most ? most : wanted;
    int burst = wanted < BURST * MIN_BURSTS ? 1 : BURST;
    for (int64_t done = 0; done + burst <= wanted; done += burst)
        for (int i = 0; i < count; i++) {
            struct runner *runner = &runners[i];
            if (run_burst(runner, burst, &runner->times_ns[runner->run_count], err) != E2B_OK)
                return err->status;
            runner->run_count += burst;
        }
    for (int i = 0; i < count; i++)
        times_ns[i] = e2b_clock_median_ns(runners[i].times_ns, runners[i].run_count);
    return E2B_OK;
}

enum e2b_status e2b_trial_time(struct e2b_trial *trial, const struct e2b_choice *choices, int count,
    int64_t limit_ns, int64_t *times_ns, struct e2b_error *err) {
    struct runner runners[MAX_CHOICES] = {0};
    bool slow = false;
    for (int i = 0; i < count && err->status == E2B_OK; i++) {
        /* The first run loads code and pages; the second tells how long one takes. */
        if (runner_init(&runners[i], trial, &choices[i], err) == E2B_OK
            && run_burst(&runners[i], 1, &times_ns[i], err) == E2B_OK)
            run_burst(&runners[i], 1, &times_ns[i], err);
        slow = slow || times_ns[i] > limit_ns;
    }
    if (err->status == E2B_OK && !slow)
        time_in_turns(runners, count, times_ns, err);
    for (int i = 0; i < count; i++)
        runner_finish(&runners[i]);
    return err->status;
}

static enum e2b_status poison_outputs(struct e2b_trial *trial, struct e2b_error *err) {
    const struct e2b_device_ops *ops = trial->device->ops;
    for (int i = 0; i < trial->graph.storage_count; i++)
        if (trial->storages[i].kind == E2B_STORAGE_OUTPUT
            && ops->enqueue_fill(trial->queue, trial->buffers[i], 0,
                   (size_t)trial->storages[i].bytes, POISON, err)
                != E2B_OK)
            return err->status;
    return ops->finish(trial->queue, err);
}

/* Poison the outputs and run `runs` times. */
static enum e2b_status run_clean(
    struct e2b_trial *trial, const struct e2b_choice *choice, int runs, struct e2b_error *err) {
    struct runner runner;
    int64_t ignored[BURST];
    if (poison_outputs(trial, err) != E2B_OK || runner_init(&runner, trial, choice, err) != E2B_OK)
        return err->status;
    run_burst(&runner, runs, ignored, err);
    runner_finish(&runner);
    return err->status;
}

static const struct e2b_value *output_value(const struct e2b_trial *trial, int output) {
    return &trial->values[trial->node.outputs[output]];
}

/* The whole memory of an output, to be freed; NULL with err set. */
static char *read_output(struct e2b_trial *trial, int output, struct e2b_error *err) {
    const struct e2b_device_ops *ops = trial->device->ops;
    int storage = output_value(trial, output)->storage;
    size_t bytes = (size_t)trial->storages[storage].bytes;
    char *data = malloc(bytes);
    if (!data)
        e2b_fail_memory(err, "a trial's output");
    else if (ops->enqueue_read(trial->queue, trial->buffers[storage], 0, data, bytes, NULL, err)
        == E2B_OK)
        ops->finish(trial->queue, err);
    if (err->status != E2B_OK) {
        free(data);
        return NULL;
    }
    return data;
}

/* Of the logical elements of two memories. */
struct difference {
    double squares, right_squares, most, right_most;
    bool infinite;
};

static void compare_run(const struct e2b_tensor *tensor, const char *right, const char *got,
    int64_t stride, int64_t count, struct difference *difference) {
    size_t step = e2b_dtype_bytes(tensor->dtype) * (size_t)stride;
    double a[ROW_CHUNK], b[ROW_CHUNK];
    for (int64_t done = 0; done < count;) {
        int chunk = count - done < ROW_CHUNK ? (int)(count - done) : ROW_CHUNK;
        int pieces = stride == 1 ? 1 : chunk, each = chunk / pieces;
        for (int i = 0; i < pieces; i++) {
            size_t at = (size_t)(done + i) * step;
            e2b_to_double(tensor->dtype, right + at, a + i, each);
            e2b_to_double(tensor->dtype, got + at, b + i, each);
        }
        for (int i = 0; i < chunk; i++) {
            double d = fabs(b[i] - a[i]);
            difference->infinite = difference->infinite || !isfinite(a[i]) || !isfinite(b[i]);
            difference->squares += d * d;
            difference->right_squares += a[i] * a[i];
            difference->most = fmax(difference->most, d);
            difference->right_most = fmax(difference->right_most, fabs(a[i]));
        }
        done += chunk;
    }
}

/* All elements, along the densest dimension in the innermost loop. */
static void compare_all(const struct e2b_tensor *tensor, const char *right, const char *got,
    struct difference *difference) {
    struct e2b_shape outer = tensor->shape;
    int inner = -1;
    for (int i = 0; i < outer.rank; i++)
        if (outer.dims[i] > 1 && (inner < 0 || tensor->stride[i] < tensor->stride[inner]))
            inner = i;
    int64_t count = inner < 0 ? 1 : outer.dims[inner], at[E2B_MAX_RANK] = {0}, position = 0;
    int64_t stride = inner < 0 ? 1 : tensor->stride[inner];
    size_t bytes = e2b_dtype_bytes(tensor->dtype);
    if (inner >= 0)
        outer.dims[inner] = 1;
    for (int64_t left = e2b_shape_count(&outer); left > 0; left--) {
        compare_run(tensor, right + (size_t)position * bytes, got + (size_t)position * bytes,
            stride, count, difference);
        for (int i = outer.rank - 1; i >= 0; i--) {
            position += tensor->stride[i];
            if (++at[i] < outer.dims[i])
                break;
            position -= outer.dims[i] * tensor->stride[i];
            at[i] = 0;
        }
    }
}

static double error_of(const struct e2b_tensor *tensor, const char *right, const char *got) {
    struct difference difference = {0};
    compare_all(tensor, right, got, &difference);
    if (difference.infinite)
        return INFINITY;
    if (difference.most == 0)
        return 0;
    if (difference.right_most == 0)
        return INFINITY;
    return fmax(sqrt(difference.squares / difference.right_squares),
        difference.most / difference.right_most);
}

enum e2b_status e2b_trial_expect(
    struct e2b_trial *trial, const struct e2b_choice *choice, struct e2b_error *err) {
    if (run_clean(trial, choice, 1, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < trial->node.output_count; i++) {
        if (trial->node.outputs[i] < 0)
            continue;
        free(trial->expected[i]);
        trial->expected[i] = read_output(trial, i, err);
        if (!trial->expected[i])
            return err->status;
        const struct e2b_tensor *tensor = &output_value(trial, i)->tensor;
        if (error_of(tensor, trial->expected[i], trial->expected[i]) != 0)
            return e2b_fail(err, E2B_DEVICE, "output %d by %s is not finite: nothing to compare", i,
                choice->variant);
    }
    return E2B_OK;
}

enum e2b_status e2b_trial_check(struct e2b_trial *trial, const struct e2b_choice *choice,
    double *error, struct e2b_error *err) {
    *error = 0;
    if (run_clean(trial, choice, CHECKED_RUNS, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < trial->node.output_count; i++) {
        if (trial->node.outputs[i] < 0)
            continue;
        char *got = read_output(trial, i, err);
        if (!got)
            return err->status;
        *error = fmax(*error, error_of(&output_value(trial, i)->tensor, trial->expected[i], got));
        free(got);
    }
    return E2B_OK;
}
