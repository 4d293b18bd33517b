#include "runtime/engine/engine.h"

#include "runtime/engine/beside.h"
#include "runtime/engine/dispatcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct e2b_engine {
    struct e2b_device *device;
    const struct e2b_policy_ops *policy;
    int64_t *policy_values;
    bool manual, gather;
    struct e2b_trace *trace;
    struct e2b_programs *programs;
    struct e2b_served **models;
    int model_count;
    struct e2b_dispatcher *dispatcher;
};

static enum e2b_status unknown_policy(const char *name, struct e2b_error *err) {
    char known[128] = "";
    for (const struct e2b_policy_ops *const *policy = e2b_policy_all(); *policy; policy++) {
        size_t length = strlen(known);
        snprintf(
            known + length, sizeof known - length, "%s%s", length ? ", " : "", (*policy)->name);
    }
    return e2b_fail(err, E2B_INVALID, "policy \"%s\" is unknown; there are: %s", name, known);
}

static enum e2b_status take_policy(struct e2b_engine *engine, const struct e2b_policy_ops *policy,
    const int64_t *values, struct e2b_error *err) {
    const struct e2b_policy_option *options = policy->options;
    int count = 0;
    while (options && options[count].name)
        count++;
    int64_t *taken = calloc((size_t)count + 1, sizeof *taken);
    if (!taken)
        return e2b_fail_memory(err, "the engine");
    for (int i = 0; i < count; i++) {
        taken[i] = values ? values[i] : options[i].fallback;
        if (taken[i] >= options[i].min && taken[i] <= options[i].max)
            continue;
        e2b_fail(err, E2B_INVALID, "policy %s: %s %lld is outside %lld..%lld", policy->name,
            options[i].name, (long long)taken[i], (long long)options[i].min,
            (long long)options[i].max);
        free(taken);
        return err->status;
    }
    free(engine->policy_values);
    engine->policy_values = taken;
    engine->policy = policy;
    return E2B_OK;
}

enum e2b_status e2b_engine_create(struct e2b_device *device,
    const struct e2b_engine_options *options, struct e2b_engine **out, struct e2b_error *err) {
    const struct e2b_policy_ops *policy = e2b_policy_find(options->policy);
    if (!policy)
        return unknown_policy(options->policy, err);
    struct e2b_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return e2b_fail_memory(err, "the engine");
    engine->device = device;
    engine->manual = options->manual;
    engine->gather = options->gather;
    engine->trace = options->trace;
    if (take_policy(engine, policy, options->policy_values, err) != E2B_OK
        || e2b_programs_create(device, &engine->programs, err) != E2B_OK) {
        e2b_engine_destroy(engine);
        return err->status;
    }
    *out = engine;
    return E2B_OK;
}

void e2b_engine_destroy(struct e2b_engine *engine) {
    if (!engine)
        return;
    e2b_dispatcher_destroy(engine->dispatcher);
    for (int i = 0; i < engine->model_count; i++)
        e2b_served_destroy(engine->models[i]);
    e2b_programs_destroy(engine->programs);
    free(engine->models);
    free(engine->policy_values);
    free(engine);
}

static enum e2b_status check_sizes(const struct e2b_serve_options *options, struct e2b_error *err) {
    if (options->size_count < 1 || options->size_count > E2B_SCHED_MAX_SIZES)
        return e2b_fail(err, E2B_INVALID, "model \"%s\": %d batch sizes, expected 1..%d",
            options->name, options->size_count, E2B_SCHED_MAX_SIZES);
    for (int i = 0; i < options->size_count; i++) {
        if (options->sizes[i] < 1 || (i > 0 && options->sizes[i] <= options->sizes[i - 1]))
            return e2b_fail(err, E2B_INVALID,
                "model \"%s\": batch size %d: sizes are positive and ascend", options->name,
                options->sizes[i]);
        if (options->instances[i] < 1)
            return e2b_fail(err, E2B_INVALID,
                "model \"%s\": %d instances of batch size %d, "
                "expected 1 or more",
                options->name, options->instances[i], options->sizes[i]);
    }
    int largest = options->sizes[options->size_count - 1];
    if (options->slot_count < largest)
        return e2b_fail(err, E2B_INVALID,
            "model \"%s\": %d slots hold no batch of %d: "
            "give at least that many slots or leave the size out",
            options->name, options->slot_count, largest);
    return E2B_OK;
}

/* Alone, and beside each of the models that were added before. */
static enum e2b_status profile(struct e2b_engine *engine, struct e2b_served *served,
    const struct e2b_serve_options *options, struct e2b_error *err) {
    int64_t budget_ns = options->profile_ns > 0 ? options->profile_ns : E2B_PROFILE_DEFAULT_NS;
    const char *folder = options->profile_folder;
    if (e2b_served_profile(served, folder, budget_ns, &served->profile, err) != E2B_OK)
        return err->status;
    return e2b_served_profile_beside(
        served, engine->models, engine->model_count, folder, budget_ns, err);
}

enum e2b_status e2b_engine_add(struct e2b_engine *engine, struct e2b_model *model,
    const struct e2b_serve_options *options, struct e2b_served **out, struct e2b_error *err) {
    if (engine->dispatcher)
        return e2b_fail(err, E2B_INVALID, "model \"%s\" was added after start", options->name);
    for (int i = 0; i < engine->model_count; i++)
        if (!strcmp(e2b_served_name(engine->models[i]), options->name))
            return e2b_fail(err, E2B_INVALID, "model \"%s\" is there twice", options->name);
    if (check_sizes(options, err) != E2B_OK)
        return err->status;
    struct e2b_served **models =
        realloc(engine->models, ((size_t)engine->model_count + 1) * sizeof(struct e2b_served *));
    if (!models)
        return e2b_fail_memory(err, "the engine");
    engine->models = models;
    struct e2b_served *served = NULL;
    if (e2b_served_create(engine->device, engine->programs, model, options, &served, err) != E2B_OK)
        return err->status;
    if (e2b_served_warm_up(served, err) != E2B_OK) {
        e2b_served_destroy(served);
        return e2b_error_while(err, "warming up model \"%s\"", options->name);
    }
    if (profile(engine, served, options, err) != E2B_OK) {
        e2b_served_destroy(served);
        return err->status;
    }
    served->index = engine->model_count;
    engine->models[engine->model_count++] = served;
    *out = served;
    return E2B_OK;
}

enum e2b_status e2b_engine_start(struct e2b_engine *engine, struct e2b_error *err) {
    const struct e2b_dispatcher_spec spec = {
        .device = engine->device,
        .models = engine->models,
        .model_count = engine->model_count,
        .policy = engine->policy,
        .policy_values = engine->policy_values,
        .manual = engine->manual,
        .trace = engine->trace,
        .gather = engine->gather,
    };
    struct e2b_dispatcher *before = engine->dispatcher;
    for (int i = 0; i < engine->model_count && engine->gather; i++)
        if (e2b_pool_stage(engine->models[i]->pool, err) != E2B_OK)
            return e2b_error_while(err, "starting the engine");
    if (!before && engine->device->ops->settle)
        engine->device->ops->settle(engine->device);
    if (e2b_dispatcher_create(&spec, &engine->dispatcher, err) != E2B_OK)
        return e2b_error_while(err, "starting the engine");
    for (int i = 0; i < engine->model_count; i++)
        engine->models[i]->dispatcher = engine->dispatcher;
    e2b_dispatcher_destroy(before);
    return E2B_OK;
}

enum e2b_status e2b_engine_restart(
    struct e2b_engine *engine, const struct e2b_engine_options *options, struct e2b_error *err) {
    const struct e2b_policy_ops *policy = e2b_policy_find(options->policy);
    if (!policy)
        return unknown_policy(options->policy, err);
    for (int i = 0; i < engine->model_count; i++)
        if (atomic_load(&engine->models[i]->pending) > 0)
            return e2b_fail(err, E2B_BUSY, "model \"%s\": requests are open, the policy stays",
                engine->models[i]->name);
    if (take_policy(engine, policy, options->policy_values, err) != E2B_OK)
        return err->status;
    engine->gather = options->gather;
    engine->trace = options->trace;
    return e2b_engine_start(engine, err);
}

void e2b_engine_drain(struct e2b_engine *engine, int64_t timeout_ns) {
    if (engine->dispatcher)
        e2b_dispatcher_drain(engine->dispatcher, timeout_ns);
}

int64_t e2b_engine_step(struct e2b_engine *engine) {
    return e2b_dispatcher_step(engine->dispatcher);
}
