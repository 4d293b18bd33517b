#include "tests/sched/world.h"

#include "runtime/base/text.h"
#include "tests/sched/script.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

enum slot { IDLE, WAITING, RUNNING };

struct flight {
    bool busy;
    int first, size;
    int64_t ends_ns;
};

struct model {
    unsigned char *slots;   /* enum slot */
    unsigned char *written; /* by a running batch, padding included */
    int waiting;
    struct flight flights[E2B_SCHED_MAX_SIZES][64];
};

struct world {
    const struct e2b_policy_ops *ops;
    const struct e2b_world_options *options;
    struct e2b_policy *policy;
    struct e2b_sched_actions actions;
    struct model *models;
    int64_t now_ns, timer_ns;
    uint64_t random;
    struct e2b_world_result result;
};

static uint64_t next_random(struct world *world) {
    world->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = world->random;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static int below(struct world *world, int limit) {
    return (int)(next_random(world) % (uint64_t)limit);
}

static void check_run(struct world *world, const struct e2b_sched_action *action) {
    const struct e2b_sched_model *spec = &world->options->models[action->model];
    struct model *model = &world->models[action->model];
    assert_in_range(action->size_index, 0, spec->size_count - 1);
    assert_in_range(action->instance, 0, spec->instances[action->size_index] - 1);
    struct flight *flight = &model->flights[action->size_index][action->instance];
    int size = spec->sizes[action->size_index];
    if (flight->busy)
        fail_msg("instance %d of size %d is booked twice", action->instance, size);
    assert_in_range(action->count, 1, action->span);
    assert_in_range(action->span, 1, size);
    int ran = 0;
    assert_true(action->first >= 0 && action->first + size <= spec->slot_count);
    for (int i = 0; i < size; i++) {
        int slot = action->first + i;
        if (model->written[slot])
            fail_msg("slot %d is written by two batches", slot);
        bool waits = model->slots[slot] == WAITING;
        if (waits ? i >= action->span : i == 0 || i == action->span - 1)
            fail_msg("slot %d: place %d of %d, state %d", slot, i, action->span, waits);
        model->written[slot] = 1;
        if (waits)
            model->slots[slot] = RUNNING;
        ran += waits;
    }
    assert_int_equal(ran, action->count);
    *flight = (struct flight){
        true, action->first, size, world->now_ns + 1000 + 300 * size + below(world, 500)};
    model->waiting -= action->count;
    world->result.run += action->count;
    world->result.padded += size - action->count;
    world->result.batches++;
}

static void carry_out(struct world *world, const struct e2b_sched_action *action) {
    struct model *model = &world->models[action->model];
    world->result.hash = e2b_hash(world->result.hash, action, sizeof *action);
    switch (action->kind) {
    case E2B_SCHED_RUN:
        check_run(world, action);
        break;
    case E2B_SCHED_REJECT:
        assert_int_equal(model->slots[action->first], WAITING);
        model->slots[action->first] = IDLE;
        model->waiting--;
        world->result.rejected++;
        break;
    case E2B_SCHED_SET_TIMER:
        world->timer_ns = action->timer_ns;
        break;
    }
}

static void feed(struct world *world, struct e2b_sched_event event) {
    event.now_ns = world->now_ns;
    world->actions.count = 0;
    world->ops->on_event(world->policy, &event, &world->actions);
    world->result.decisions++;
    assert_true(!event.more || world->actions.count == 0);
    for (int i = 0; i < world->actions.count; i++)
        carry_out(world, &world->actions.list[i]);
    for (int i = 0; i < world->options->model_count; i++) {
        assert_int_equal(world->ops->waiting(world->policy, i), world->models[i].waiting);
        if (world->models[i].waiting > world->result.most_waiting)
            world->result.most_waiting = world->models[i].waiting;
    }
}

static void make_ready(struct world *world, bool more) {
    int index = below(world, world->options->model_count);
    struct model *model = &world->models[index];
    int count = world->options->models[index].slot_count, slot = below(world, count);
    /* Mostly in ring order, as the pool reserves, sometimes anywhere. */
    if (below(world, 8))
        slot = (int)(world->result.ready % count);
    for (int i = 0; i < count && model->slots[slot] != IDLE; i++)
        slot = (slot + 1) % count;
    world->result.ready++;
    if (model->slots[slot] != IDLE) {
        world->result.ready--;
        return;
    }
    model->slots[slot] = WAITING;
    model->waiting++;
    bool hurried = below(world, 100) < world->options->deadline_percent;
    feed(world,
        (struct e2b_sched_event){.kind = E2B_SCHED_READY,
            .more = more,
            .model = index,
            .slot = slot,
            .arrival_ns = world->now_ns - below(world, 100),
            .deadline_ns = hurried ? world->now_ns + below(world, 20000) : INT64_MAX,
            .priority = below(world, world->options->priorities + 1)});
}

static void cancel_one(struct world *world) {
    int index = below(world, world->options->model_count);
    struct model *model = &world->models[index];
    int count = world->options->models[index].slot_count, slot = below(world, count);
    for (int i = 0; i < count && model->slots[slot] != WAITING; i++)
        slot = (slot + 1) % count;
    if (model->slots[slot] != WAITING)
        return;
    model->slots[slot] = IDLE;
    model->waiting--;
    world->result.cancelled++;
    feed(
        world, (struct e2b_sched_event){.kind = E2B_SCHED_CANCELLED, .model = index, .slot = slot});
}

struct place {
    int model, size_index, instance;
};

static struct flight *next_end(struct world *world, struct place *place) {
    struct flight *next = NULL;
    for (int m = 0; m < world->options->model_count; m++)
        for (int s = 0; s < world->options->models[m].size_count; s++)
            for (int i = 0; i < world->options->models[m].instances[s]; i++) {
                struct flight *flight = &world->models[m].flights[s][i];
                if (!flight->busy || (next && flight->ends_ns >= next->ends_ns))
                    continue;
                next = flight;
                *place = (struct place){m, s, i};
            }
    return next;
}

static void complete(struct world *world, struct flight *flight, const struct place *place) {
    struct model *model = &world->models[place->model];
    for (int slot = flight->first; slot < flight->first + flight->size; slot++) {
        model->written[slot] = 0;
        if (model->slots[slot] == RUNNING)
            model->slots[slot] = IDLE;
    }
    flight->busy = false;
    feed(world,
        (struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
            .model = place->model,
            .size_index = place->size_index,
            .instance = place->instance,
            .duration_ns = 1000 + 300 * flight->size});
}

/* Completions and timers until until_ns. */
static bool pass_time(struct world *world, int64_t until_ns) {
    struct place place = {0};
    struct flight *flight = next_end(world, &place);
    int64_t ends_ns = flight ? flight->ends_ns : INT64_MAX;
    int64_t next_ns = ends_ns < world->timer_ns ? ends_ns : world->timer_ns;
    if (next_ns > until_ns || next_ns == INT64_MAX)
        return false;
    if (next_ns > world->now_ns)
        world->now_ns = next_ns;
    if (flight && ends_ns <= next_ns) {
        complete(world, flight, &place);
    } else {
        world->timer_ns = INT64_MAX;
        feed(world, (struct e2b_sched_event){.kind = E2B_SCHED_TIMER});
    }
    return true;
}

static void play(struct world *world) {
    const struct e2b_world_options *options = world->options;
    for (long i = 0; i < options->events; i++) {
        int64_t until_ns = world->now_ns + below(world, 600);
        while (pass_time(world, until_ns))
            i++;
        world->now_ns = until_ns;
        if (below(world, 100) < options->cancel_percent) {
            cancel_one(world);
            continue;
        }
        int burst = options->burst && !below(world, 50) ? below(world, options->burst) : 0;
        for (int j = 0; j < burst; j++)
            make_ready(world, true);
        if (burst)
            feed(world, (struct e2b_sched_event){.kind = E2B_SCHED_TIMER});
        else
            make_ready(world, false);
        i += burst;
    }
    while (pass_time(world, INT64_MAX))
        ;
}

struct e2b_world_result e2b_world_play(
    const struct e2b_policy_ops *ops, const struct e2b_world_options *options) {
    struct world world = {.ops = ops,
        .options = options,
        .timer_ns = INT64_MAX,
        .now_ns = 1000000,
        .random = options->seed,
        .result.hash = E2B_HASH_START};
    world.policy =
        e2b_script_policy(ops, options->models, options->model_count, options->policy_options);
    world.models = calloc((size_t)options->model_count, sizeof *world.models);
    for (int i = 0; i < options->model_count; i++) {
        world.models[i].slots = calloc((size_t)options->models[i].slot_count, 1);
        world.models[i].written = calloc((size_t)options->models[i].slot_count, 1);
    }
    play(&world);
    for (int i = 0; i < options->model_count; i++) {
        if (world.models[i].waiting) /* all time has passed: nothing may be left */
            fail_msg("%s leaves %d slots of model %s", ops->name, world.models[i].waiting,
                options->models[i].name);
        free(world.models[i].slots);
        free(world.models[i].written);
    }
    const struct e2b_world_result *result = &world.result;
    assert_int_equal(result->ready, result->run + result->rejected + result->cancelled);
    free(world.models);
    ops->destroy(world.policy);
    e2b_sched_actions_finish(&world.actions);
    return world.result;
}
