#include "runtime/engine/merge.h"

#include "kernels/chain.h"
#include "runtime/engine/stage.h"

#include <stdlib.h>
#include <string.h>

/* Of a program: compilers take more than twice as long for twice as many. */
#define MAX_FUNCTIONS 24
#define MAX_FUNCTIONS_CPU 6
#define CHAIN_PATH "kernels/common/chain.cl"
#define MAX_BUFFERS 240
#define LEAST_PARAMETER_BYTES 1024 /* of a kernel, on any device */
#define OTHER_PARAMETER_BYTES 64   /* beside buffers */

_Static_assert(E2B_PART_ALIGN % E2B_PACKED_ALIGN == 0, "packings begin at whole units");

static bool share_lanes(const struct e2b_footprint *a, const struct e2b_footprint *b) {
    if (!a->pitch || a->pitch != b->pitch)
        return true;
    int64_t from_a = a->begin % a->pitch, from_b = b->begin % b->pitch;
    return from_a + a->width > a->pitch || from_b + b->width > b->pitch
        || (from_a < from_b + b->width && from_b < from_a + a->width);
}

static bool args_conflict(const struct e2b_bound_arg *a, const struct e2b_bound_arg *b) {
    const struct e2b_footprint *x = &a->footprint, *y = &b->footprint;
    return (x->written || y->written) && a->place == b->place
        && (a->place == E2B_PLACE_ARENA || a->index == b->index) && x->begin < y->end
        && y->begin < x->end && share_lanes(x, y);
}

static bool steps_conflict(const struct e2b_step *a, const struct e2b_step *b) {
    for (int i = 0; i < a->launch.arg_count; i++)
        for (int k = 0; k < b->launch.arg_count; k++)
            if (args_conflict(&a->args[i], &b->args[k]))
                return true;
    return false;
}

void e2b_merge_waits(const struct e2b_step *stages, int count, bool *waits) {
    bool *before = calloc((size_t)count * (size_t)count + 1, sizeof *before);
    for (int s = 0; s < count; s++)
        for (int i = s - 1; i >= 0; i--) {
            bool implied = before && before[s * count + i];
            waits[s * count + i] = !implied && steps_conflict(&stages[s], &stages[i]);
            for (int k = 0; before && waits[s * count + i] && k <= i; k++)
                before[s * count + k] |= k == i || before[i * count + k];
        }
    free(before);
}

/* Functions of one program, which any number of chains may share. */
struct program {
    struct e2b_launch functions[MAX_FUNCTIONS];
    int function_count, most_functions;
    int buffer_count; /* the most that a chain has */
};

/* State of one e2b_merge. */
struct merge {
    struct e2b_device *device;
    struct e2b_memory_layout *memory;
    struct program *programs;
    int program_count, program_capacity;
    bool always, times;
    struct e2b_staging staging;
    struct e2b_error *err;
};

static bool can_merge(const struct merge *merge, const struct e2b_step *step) {
    return !step->launch.routine && step->zero_bytes == 0
        && e2b_chain_takes(&step->launch, merge->staging.items)
        && (merge->always || e2b_stage_suits(&merge->staging, &step->launch));
}

static int find_function(const struct program *program, const struct e2b_launch *launch) {
    for (int i = 0; i < program->function_count; i++)
        if (e2b_chain_same_function(&program->functions[i], launch))
            return i;
    return -1;
}

static bool add_function(struct program *program, const struct e2b_launch *launch) {
    int same = find_function(program, launch);
    if (same >= 0 && launch->local_bytes > program->functions[same].local_bytes)
        program->functions[same].local_bytes = launch->local_bytes;
    if (same >= 0)
        return true;
    if (program->function_count == program->most_functions)
        return false;
    program->functions[program->function_count++] = *launch;
    return true;
}

static bool add_functions(struct program *to, const struct program *from) {
    int before = to->function_count;
    for (int i = 0; i < from->function_count; i++)
        if (!add_function(to, &from->functions[i])) {
            to->function_count = before;
            return false;
        }
    return true;
}

/* A program that has, or now gets, these functions too; its number, -1 when out of memory. */
static int program_with(struct merge *merge, const struct program *functions) {
    for (int i = 0; i < merge->program_count; i++)
        if (add_functions(&merge->programs[i], functions))
            return i;
    if (merge->program_count == merge->program_capacity) {
        int capacity = merge->program_capacity ? 2 * merge->program_capacity : 8;
        struct program *programs = realloc(merge->programs, (size_t)capacity * sizeof *programs);
        if (!programs)
            return -1;
        merge->programs = programs;
        merge->program_capacity = capacity;
    }
    merge->programs[merge->program_count] = *functions;
    return merge->program_count++;
}

/* That a chain may have. */
static int most_buffers(const struct e2b_traits *traits) {
    int64_t bytes = traits->parameter_bytes ? traits->parameter_bytes : LEAST_PARAMETER_BYTES;
    int64_t most = (bytes - OTHER_PARAMETER_BYTES) / (int64_t)sizeof(uint64_t);
    return most < MAX_BUFFERS ? (int)most : MAX_BUFFERS;
}

/* Its place among the chain's buffers, blocks of packings, where it is added unless they are
 * `most`: -1 then. */
static int buffer_of(struct e2b_chain *chain, const struct e2b_bound_arg *arg, int most) {
    for (int i = 0; i < chain->buffer_count; i++)
        if (e2b_bound_in_one_buffer(&chain->buffers[i], arg))
            return i;
    if (chain->buffer_count == most)
        return -1;
    chain->buffers[chain->buffer_count] = *arg;
    chain->buffers[chain->buffer_count].packed.buffer = arg->packed.block;
    return chain->buffer_count++;
}

static bool add_buffers(struct e2b_chain *chain, const struct e2b_step *step, int most) {
    for (int i = 0; i < step->launch.arg_count; i++)
        if (!step->args[i].is_value && buffer_of(chain, &step->args[i], most) < 0)
            return false;
    return true;
}

/* Of so many stages those before the first that has to wait for too many others. */
static int limit_waits(const struct e2b_step *steps, int count) {
    bool *waits = calloc((size_t)count * (size_t)count + 1, sizeof *waits);
    int stages = waits ? 0 : count, waited = 0;
    if (waits)
        e2b_merge_waits(steps, count, waits);
    for (; stages < count && waited <= E2B_CHAIN_MAX_WAITS; stages++)
        for (int i = waited = 0; i < stages; i++)
            waited += waits[stages * count + i];
    free(waits);
    return waited <= E2B_CHAIN_MAX_WAITS ? stages : stages - 1;
}

/* As many steps from the first on as one chain can have, and their functions. */
static int count_stages(
    const struct merge *merge, const struct e2b_step *steps, int count, struct program *functions) {
    struct e2b_bound_arg buffers[MAX_BUFFERS];
    struct e2b_chain chain = {.buffers = buffers};
    int stages = 0;
    functions->function_count = functions->buffer_count = 0;
    functions->most_functions = merge->device->traits.is_cpu ? MAX_FUNCTIONS_CPU : MAX_FUNCTIONS;
    while (stages < count && stages < E2B_CHAIN_MAX_STAGES && can_merge(merge, &steps[stages])
        && add_buffers(&chain, &steps[stages], most_buffers(&merge->device->traits))
        && add_function(functions, &steps[stages].launch))
        stages++;
    return limit_waits(steps, stages);
}

/* Words of a table that grows. */
struct table {
    int32_t *words;
    int count, capacity;
    bool failed;
};

static int add_word(struct table *table, int64_t word) {
    if (table->count == table->capacity) {
        int capacity = table->capacity ? 2 * table->capacity : 1024;
        int32_t *words = realloc(table->words, (size_t)capacity * sizeof *words);
        if (!words) {
            table->failed = true;
            return 0;
        }
        table->words = words;
        table->capacity = capacity;
    }
    table->words[table->count] = (int32_t)word;
    return table->count++;
}

static void set_word(struct table *table, int at, int64_t word) {
    if (!table->failed)
        table->words[at] = (int32_t)word;
}

static void add_args(struct table *table, struct e2b_chain *chain, const struct e2b_step *step) {
    for (int i = 0; i < step->launch.arg_count; i++) {
        const struct e2b_bound_arg *arg = &step->args[i];
        if (arg->is_value) {
            add_word(table, arg->value);
            continue;
        }
        add_word(table, buffer_of(chain, arg, MAX_BUFFERS));
        add_word(table, e2b_bound_word(arg));
        if (!arg->without_offset)
            add_word(table, arg->slot_stride);
    }
}

static void add_waits(const struct merge *merge, struct table *table, const struct e2b_chain *chain,
    int stage, const bool *waits) {
    int at = add_word(table, 0), waited = 0;
    for (int i = 0; i < stage; i++) {
        if (!waits[stage * chain->stage_count + i])
            continue;
        add_word(table, i);
        add_word(table, e2b_stage_jobs(&merge->staging, &chain->stages[i].launch));
        waited++;
    }
    set_word(table, at, waited);
}

static void add_stage(const struct merge *merge, struct table *table, struct e2b_chain *chain,
    int stage, const struct program *program, const bool *waits) {
    const struct e2b_step *step = &chain->stages[stage];
    const struct e2b_launch *launch = &step->launch;
    int begin = add_word(table, find_function(program, launch));
    for (int i = 0; i < 3; i++)
        add_word(table, e2b_stage_groups(launch, i));
    add_word(table, e2b_stage_parts_a_job(&merge->staging, launch));
    add_word(table, 0);
    add_word(table, 0);
    add_args(table, chain, step);
    set_word(table, begin + E2B_CHAIN_WAITS, table->count - begin);
    add_waits(merge, table, chain, stage, waits);
    set_word(table, begin + E2B_CHAIN_WORDS, table->count - begin);
}

static void fill_table(const struct merge *merge, struct e2b_chain *chain, int program,
    const bool *waits, struct table *table) {
    int count = chain->stage_count;
    int64_t jobs = 0;
    add_word(table, count);
    for (int s = 0; s < 2 * count; s++)
        add_word(table, 0);
    for (int s = 0; s < count; s++) {
        jobs += e2b_stage_jobs(&merge->staging, &chain->stages[s].launch);
        chain->ends[s] = jobs;
        set_word(table, 1 + s, table->count);
        set_word(table, 1 + count + s, jobs);
        add_stage(merge, table, chain, s, &merge->programs[program], waits);
    }
}

static enum e2b_status make_table(
    struct merge *merge, struct e2b_chain *chain, int program, struct table *table) {
    int count = chain->stage_count;
    bool *waits = calloc((size_t)count * (size_t)count, sizeof *waits);
    if (!waits)
        return e2b_fail_memory(merge->err, "a merged launch");
    e2b_merge_waits(chain->stages, count, waits);
    fill_table(merge, chain, program, waits, table);
    free(waits);
    return table->failed ? e2b_fail_memory(merge->err, "a merged launch") : E2B_OK;
}

static enum e2b_status store_table(
    struct merge *merge, struct e2b_chain *chain, const struct table *table) {
    const struct e2b_device_ops *ops = merge->device->ops;
    size_t bytes = (size_t)table->count * sizeof *table->words;
    void *mapped;
    if (ops->buffer_create(
            merge->device, E2B_MEMORY_DEVICE, bytes, &chain->table_buffer, merge->err)
            != E2B_OK
        || ops->buffer_map(merge->device, chain->table_buffer, &mapped, merge->err) != E2B_OK)
        return merge->err->status;
    memcpy(mapped, table->words, bytes);
    return ops->buffer_unmap(merge->device, chain->table_buffer, mapped, merge->err);
}

static void add_counters(const struct merge *merge, struct e2b_chain *chain) {
    size_t words = E2B_CHAIN_COUNTERS(chain->stage_count);
    size_t times =
        merge->times ? (size_t)chain->ends[chain->stage_count - 1] * E2B_CHAIN_TIME_WORDS : 0;
    chain->counters_offset =
        e2b_memory_layout_add(merge->memory, (int64_t)((words + times) * sizeof(uint32_t)));
    if (merge->times)
        chain->times_offset = chain->counters_offset + (int64_t)(words * sizeof(uint32_t));
}

static struct e2b_chain *make_chain(
    struct merge *merge, const struct e2b_step *steps, int count, int program) {
    struct e2b_chain *chain = calloc(1, sizeof *chain);
    struct table table = {0};
    if (chain) {
        chain->stages = calloc((size_t)count, sizeof *chain->stages);
        chain->buffers = calloc(MAX_BUFFERS, sizeof *chain->buffers);
        chain->ends = calloc((size_t)count, sizeof *chain->ends);
    }
    if (!chain || !chain->stages || !chain->buffers || !chain->ends) {
        e2b_fail_memory(merge->err, "a merged launch");
    } else {
        memcpy(chain->stages, steps, (size_t)count * sizeof *steps);
        chain->stage_count = count;
        if (make_table(merge, chain, program, &table) == E2B_OK
            && store_table(merge, chain, &table) == E2B_OK)
            add_counters(merge, chain);
    }
    free(table.words);
    if (merge->err->status != E2B_OK) {
        e2b_chain_destroy(merge->device, chain);
        return NULL;
    }
    return chain;
}

void e2b_chain_destroy(struct e2b_device *device, struct e2b_chain *chain) {
    if (!chain)
        return;
    device->ops->buffer_destroy(device, chain->table_buffer);
    free(chain->stages);
    free(chain->buffers);
    free(chain->ends);
    free(chain);
}

static void describe_launch(struct merge *merge, struct e2b_step *step, struct e2b_chain *chain) {
    const struct e2b_step first = chain->stages[0];
    *step =
        (struct e2b_step){.chain = chain, .node = first.node, .variant = "merged", .program = -1};
    struct e2b_launch *launch = &step->launch;
    strcpy(launch->kernel, E2B_CHAIN_KERNEL);
    for (int i = 0; i < 3; i++)
        launch->global[i] = launch->local[i] = 1;
    launch->local[0] = merge->staging.items;
    launch->global[0] = merge->staging.items * e2b_stage_workers(&merge->staging);
    for (int i = 0; i < chain->stage_count; i++) {
        launch->flops += chain->stages[i].launch.flops;
        launch->bytes += chain->stages[i].launch.bytes;
    }
}

/* Fills `to` with steps of which some are merged; returns how many there are. Until they are asked
 * for, a chain's program is its place among merge->programs. */
static int merge_steps(struct merge *merge, const struct e2b_step *steps, int step_count,
    struct program *functions, struct e2b_step *to) {
    int kept = 0;
    for (int i = 0; i < step_count;) {
        int stages = count_stages(merge, &steps[i], step_count - i, functions);
        if (stages < 2 || !(merge->always || e2b_stages_pay(&merge->staging, &steps[i], stages))) {
            to[kept++] = steps[i++];
            continue;
        }
        int program = program_with(merge, functions);
        if (program < 0) {
            e2b_fail_memory(merge->err, "a program");
            break;
        }
        struct e2b_chain *chain = make_chain(merge, &steps[i], stages, program);
        if (!chain)
            break;
        if (chain->buffer_count > merge->programs[program].buffer_count)
            merge->programs[program].buffer_count = chain->buffer_count;
        describe_launch(merge, &to[kept], chain);
        to[kept++].program = program;
        i += stages;
    }
    return kept;
}

static int want_program(
    const struct merge *merge, const struct program *program, struct e2b_programs *programs) {
    const struct e2b_launch *functions[MAX_FUNCTIONS];
    struct e2b_text text = {0}, options = {0};
    if (merge->times)
        e2b_text_add(&text, "#define CHAIN_TIMES\n");
    for (int i = 0; i < program->function_count; i++)
        functions[i] = &program->functions[i];
    e2b_chain_text(&merge->device->traits, functions, program->function_count,
        program->buffer_count, merge->staging.items, &text, &options);
    int number = text.failed || options.failed
        ? -1
        : e2b_programs_want_text(programs, CHAIN_PATH, text.data, options.data ? options.data : "");
    e2b_text_finish(&text);
    e2b_text_finish(&options);
    return number;
}

static enum e2b_status want_programs(
    struct merge *merge, struct e2b_programs *programs, struct e2b_step *steps, int step_count) {
    for (int i = 0; i < step_count; i++) {
        if (!steps[i].chain)
            continue;
        const struct program *program = &merge->programs[steps[i].program];
        steps[i].chain->buffer_count = program->buffer_count;
        steps[i].program = want_program(merge, program, programs);
        if (steps[i].program < 0)
            return e2b_fail_memory(merge->err, "a program");
    }
    return E2B_OK;
}

enum e2b_status e2b_merge(struct e2b_device *device, struct e2b_programs *programs,
    const struct e2b_merge_options *options, struct e2b_memory_layout *memory,
    struct e2b_step **steps, int *step_count, struct e2b_error *err) {
    struct merge merge = {.device = device,
        .memory = memory,
        .always = options->always,
        .times = options->times && e2b_chain_tells_times(&device->traits),
        .staging = {&device->traits, options->precision,
            e2b_stages_items(&device->traits, *steps, *step_count)},
        .err = err};
    struct e2b_step *merged = calloc((size_t)*step_count + 1, sizeof *merged);
    struct program *functions = malloc(sizeof *functions);
    int count = 0;
    if (merged && functions) {
        count = merge_steps(&merge, *steps, *step_count, functions, merged);
        if (err->status == E2B_OK)
            want_programs(&merge, programs, merged, count);
    } else {
        e2b_fail_memory(err, "a plan");
    }
    free(functions);
    free(merge.programs);
    if (err->status != E2B_OK) {
        for (int i = 0; i < count; i++)
            e2b_chain_destroy(device, merged[i].chain);
        free(merged);
        return err->status;
    }
    free(*steps);
    *steps = merged;
    *step_count = count;
    return E2B_OK;
}
