#include "tests/tools/lab/bench.h"

#include "runtime/base/log.h"
#include "tests/support.h"

const struct e2b_lab_table *bench_table(void) {
    static const struct e2b_lab_table table = {
        .models = {{"a", 4, {1, 2, 4, 8}, {1250000, 1500000, 2000000, 3000000}, {0.5, 0.6, 0.8, 1},
                       {50000, 50000, 60000, 60000}, 50000, 10000},
            {"b", 4, {1, 2, 4, 8}, {2500000, 3000000, 4000000, 6000000}, {0.5, 0.6, 0.8, 1},
                {90000, 90000, 90000, 90000}, 80000, 12000}},
        .count = 2};
    return &table;
}

void bench_quiet(void) {
    e2b_log_set_level(E2B_LOG_WARN);
}

void bench_open(struct e2b_lab_rig *rig, const struct e2b_lab_table *table, const char *policy,
    int models, int64_t target_ns) {
    struct e2b_lab_rig_spec spec = {.table = table,
        .model_count = models,
        .instances = 1,
        .slots = 64,
        .precision = E2B_F32,
        .percentile = 0.99};
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    bench_quiet();
    for (int i = 0; i < models; i++) {
        spec.models[i].file = table->models[i].name;
        spec.models[i].target_ns = target_ns;
    }
    assert_ok(e2b_lab_contender_parse(policy, &contender, &err), err);
    assert_ok(e2b_lab_rig_init(rig, &spec, &contender, &err), err);
}
