#include "tools/lab/tune.h"

#include "tools/lab/random.h"

#include <math.h>
#include <string.h>

#define SAME_VIOLATIONS 1e-3

enum grid { SIZES, SIZES_OR_NONE, WAIT_US, LISTED };

/* Options of all policies by name. A wait is 0, 0.5, 1, 2, 5, 10 ms, a quarter or half of the
 * target. */
static const struct {
    const char *option;
    enum grid grid;
    int64_t listed[6]; /* ends with -1 or is full */
} grids[] = {
    {"max_batch_size", SIZES, {0}},
    {"preferred_batch_size", SIZES_OR_NONE, {0}},
    {"preferred_batch_size_2", SIZES_OR_NONE, {0}},
    {"batch_timeout_micros", WAIT_US, {0}},
    {"max_queue_delay_microseconds", WAIT_US, {0}},
    {"max_enqueued_batches", LISTED, {1, 4, 10, 16, 1 << 20, -1}},
    {"num_batch_threads", LISTED, {1, 2, 3, 4, -1}},
    {"instance_count", LISTED, {1, 2, 3, 4, -1}},
    {"replicas", LISTED, {1, 2, 3, 4, -1}},
    {"accelerators", LISTED, {1, 2, 3, 4, -1}},
    {"max_inflight", LISTED, {0, 8, 16, 32, 64, -1}},
    {"max_in_flight", LISTED, {0, 1, 2, 3, 4, -1}},
    {"increase", LISTED, {1, 2, 4, -1}},
    {"decrease_percent", LISTED, {5, 10, 20, 50, -1}},
};

static int wait_grid(int64_t target_ns, int64_t *values) {
    static const int64_t fixed_us[] = {0, 500, 1000, 2000, 5000, 10000};
    int count = sizeof fixed_us / sizeof *fixed_us;
    memcpy(values, fixed_us, sizeof fixed_us);
    for (int64_t part = 4; target_ns > 0 && part >= 2; part -= 2)
        values[count++] = target_ns / part / 1000;
    return count;
}

static int within(const struct e2b_policy_option *option, int64_t *values, int count) {
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (values[i] >= option->min && values[i] <= option->max)
            values[kept++] = values[i];
    return kept;
}

int e2b_lab_grid(const struct e2b_policy_option *option, const int *sizes, int size_count,
    int64_t target_ns, int64_t values[E2B_LAB_MOST_CANDIDATES]) {
    size_t row = 0, rows = sizeof grids / sizeof *grids;
    int count = 0;
    while (row < rows && strcmp(grids[row].option, option->name))
        row++;
    if (row == rows)
        return 0;
    if (grids[row].grid == WAIT_US)
        return within(option, values, wait_grid(target_ns, values));
    if (grids[row].grid == LISTED) {
        while (count < 6 && grids[row].listed[count] >= 0) {
            values[count] = grids[row].listed[count];
            count++;
        }
        return within(option, values, count);
    }
    if (grids[row].grid == SIZES_OR_NONE)
        values[count++] = 0;
    for (int i = 0; i < size_count && count < E2B_LAB_MOST_CANDIDATES; i++)
        values[count++] = sizes[i];
    return within(option, values, count);
}

struct space {
    int64_t values[E2B_LAB_MAX_OPTIONS][E2B_LAB_MOST_CANDIDATES];
    int counts[E2B_LAB_MAX_OPTIONS], option_count;
    double points;
};

static void make_space(const struct e2b_lab_setup *setup, const struct e2b_lab_contender *contender,
    struct space *space) {
    const struct e2b_lab_rig_spec *rig = &setup->spec.rig;
    const struct e2b_lab_timing *timing =
        rig->table && !rig->size_count ? e2b_lab_table_find(rig->table, rig->models[0].file) : NULL;
    const int *sizes = timing ? timing->sizes : rig->sizes;
    int size_count = timing ? timing->size_count : rig->size_count;
    memset(space, 0, sizeof *space);
    space->points = 1;
    const struct e2b_policy_option *options = contender->ops->options;
    for (int i = 0; options && options[i].name && i < E2B_LAB_MAX_OPTIONS; i++) {
        space->counts[i] = e2b_lab_grid(
            &options[i], sizes, size_count, rig->models[0].target_ns, space->values[i]);
        space->points *= space->counts[i] ? space->counts[i] : 1;
        space->option_count = i + 1;
    }
}

/* Point `number` of the grid, in mixed radix. */
static void take_point(const struct space *space, double number, struct e2b_lab_contender *out) {
    for (int i = 0; i < space->option_count; i++) {
        int count = space->counts[i];
        if (count == 0)
            continue;
        out->values[i] = space->values[i][(int)fmod(number, count)];
        number = floor(number / count);
    }
}

static bool is_better(const struct e2b_lab_outcome *a, const struct e2b_lab_outcome *b) {
    if (fabs(a->violations - b->violations) >= SAME_VIOLATIONS)
        return a->violations < b->violations;
    return a->all.latency.mean_ns < b->all.latency.mean_ns;
}

enum e2b_status e2b_lab_tune(struct e2b_lab_setup *setup, const struct e2b_lab_contender *contender,
    const struct e2b_lab_arrivals *arrivals, double load_percent, uint64_t seed, int runs,
    struct e2b_lab_contender *best, struct e2b_error *err) {
    struct space space;
    struct e2b_lab_outcome least, outcome;
    struct e2b_lab_random random = e2b_lab_random_make(seed, contender->ops->name);
    make_space(setup, contender, &space);
    *best = *contender;
    if (space.points <= 1
        || e2b_lab_probe(setup, contender, arrivals, load_percent, seed, &least, err) != E2B_OK)
        return err->status;
    bool all = space.points <= runs - 1;
    int count = all ? (int)space.points : runs - 1;
    for (int i = 0; i < count; i++) {
        struct e2b_lab_contender tried = *contender;
        double number = all ? i : floor(e2b_lab_random_uniform(&random) * space.points);
        take_point(&space, number, &tried);
        e2b_lab_contender_rename(&tried);
        if (e2b_lab_probe(setup, &tried, arrivals, load_percent, seed, &outcome, err) != E2B_OK)
            return err->status;
        if (is_better(&outcome, &least)) {
            least = outcome;
            *best = tried;
        }
    }
    return E2B_OK;
}
