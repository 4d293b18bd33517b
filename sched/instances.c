#include "sched/instances.h"

#include <assert.h>

static enum e2b_status check_sizes(const struct e2b_sched_model *model, struct e2b_error *err) {
    if (model->size_count < 1 || model->size_count > E2B_SCHED_MAX_SIZES)
        return e2b_fail(err, E2B_INVALID, "%d batch sizes are outside 1..%d", model->size_count,
            E2B_SCHED_MAX_SIZES);
    if (model->sizes[0] != 1)
        return e2b_fail(
            err, E2B_INVALID, "batch size 1 is missing: it runs what lies between gaps, add it");
    for (int i = 0; i < model->size_count; i++) {
        if (i > 0 && model->sizes[i] <= model->sizes[i - 1])
            return e2b_fail(err, E2B_INVALID, "batch size %d follows %d, sizes must ascend",
                model->sizes[i], model->sizes[i - 1]);
        if (model->instances[i] < 1 || model->instances[i] > E2B_SCHED_MAX_INSTANCES)
            return e2b_fail(err, E2B_INVALID, "%d instances of batch size %d are outside 1..%d",
                model->instances[i], model->sizes[i], E2B_SCHED_MAX_INSTANCES);
    }
    return E2B_OK;
}

static enum e2b_status check_model(const struct e2b_sched_model *model, struct e2b_error *err) {
    if (model->slot_count < 1)
        return e2b_fail(err, E2B_INVALID, "%d slots, at least 1 is needed", model->slot_count);
    if (!(model->weight > 0))
        return e2b_fail(err, E2B_INVALID, "weight %g must be above 0", model->weight);
    return check_sizes(model, err);
}

enum e2b_status e2b_sched_models_check(
    const struct e2b_sched_model *models, int model_count, struct e2b_error *err) {
    if (model_count < 1)
        return e2b_fail(err, E2B_INVALID, "a policy needs a model");
    for (int i = 0; i < model_count; i++)
        if (check_model(&models[i], err) != E2B_OK)
            return e2b_error_while(err, "scheduling model \"%s\"", models[i].name);
    return E2B_OK;
}

int e2b_sched_models_instances(const struct e2b_sched_model *models, int model_count) {
    int count = 0;
    for (int i = 0; i < model_count; i++)
        for (int j = 0; j < models[i].size_count; j++)
            count += models[i].instances[j];
    return count;
}

void e2b_sched_instances_init(
    struct e2b_sched_instances *instances, const struct e2b_sched_model *model) {
    *instances = (struct e2b_sched_instances){.size_count = model->size_count};
    for (int i = 0; i < model->size_count; i++) {
        int count = model->instances[i];
        instances->sizes[i] = model->sizes[i];
        instances->unused[i] = count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
        instances->best_ns[i] = model->solo_ns[i];
    }
}

bool e2b_sched_instances_free(const struct e2b_sched_instances *instances, int size_index) {
    return instances->unused[size_index];
}

int e2b_sched_instances_take(struct e2b_sched_instances *instances, int size_index) {
    assert(instances->unused[size_index]);
    int instance = __builtin_ctzll(instances->unused[size_index]);
    instances->unused[size_index] &= instances->unused[size_index] - 1;
    return instance;
}

void e2b_sched_instances_give(struct e2b_sched_instances *instances, int size_index, int instance) {
    uint64_t bit = UINT64_C(1) << instance;
    assert(!(instances->unused[size_index] & bit));
    instances->unused[size_index] |= bit;
}

void e2b_sched_instances_learn(
    struct e2b_sched_instances *instances, int size_index, int64_t duration_ns) {
    int64_t *best_ns = &instances->best_ns[size_index];
    if (duration_ns > 0 && *best_ns > duration_ns)
        *best_ns -= (*best_ns - duration_ns + 7) / 8;
}

int64_t e2b_sched_instances_best_ns(const struct e2b_sched_instances *instances) {
    int64_t best_ns = 0;
    for (int i = 0; i < instances->size_count; i++)
        if (instances->best_ns[i] > 0 && (best_ns == 0 || instances->best_ns[i] < best_ns))
            best_ns = instances->best_ns[i];
    return best_ns;
}
