#include "sched/optimal.h"

#include <stdlib.h>

#define NEVER INT64_MAX
#define MOST_NS INT64_C(3600000000000)

struct e2b_optimal e2b_optimal_of(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count) {
    double sample_ns = 1e300, quickest_ns = 1e300, latency_ns = 0;
    for (int i = 0; i < model->size_count; i++) {
        double solo_ns = (double)model->solo_ns[i];
        double share = model->demand[i] > 0 && model->demand[i] < 1 ? model->demand[i] : 1;
        if (solo_ns * share / model->sizes[i] < sample_ns)
            sample_ns = solo_ns * share / model->sizes[i];
        quickest_ns = solo_ns < quickest_ns ? solo_ns : quickest_ns;
    }
    struct e2b_optimal optimal = {.capacity = 1e9 / sample_ns};
    double all_ns = 0, kept_ns = 0; /* when the fluid has done what came, or what is kept */
    double target_ns = (double)(model->target_ns - model->reply_ns);
    for (long i = 0; i < count; i++) {
        double arrival_ns = (double)arrivals[i];
        all_ns = (all_ns > arrival_ns ? all_ns : arrival_ns) + sample_ns;
        double end_ns = arrival_ns + quickest_ns;
        latency_ns += (all_ns > end_ns ? all_ns : end_ns) - arrival_ns;
        double ends_ns = (kept_ns > arrival_ns ? kept_ns : arrival_ns) + sample_ns;
        if (model->target_ns > 0 && (ends_ns > arrival_ns + target_ns || quickest_ns > target_ns))
            continue; /* equal jobs with agreeable deadlines: dropping the late one is optimal */
        kept_ns = ends_ns;
        optimal.in_target++;
    }
    optimal.mean_ns = count > 0 ? (double)model->reply_ns + latency_ns / (double)count : 0;
    return optimal;
}

/* The clairvoyant one. Requests are equal and due in the order of their arrival, so it runs them in
 * that order, drops the oldest if any, and a batch holds neighbours. ends[i][d] is the earliest
 * time at which the first i are settled, d of them dropped; as a batch holds few, so many rows
 * suffice.
 */

struct search {
    const struct e2b_sched_model *model;
    const int64_t *arrivals;
    long count, most_drops, rows;
    int64_t *ends; /* ring of rows of most_drops + 1, */
    long *used;    /* of which so many were written */
};

static int64_t *row(const struct search *search, long settled) {
    return search->ends + settled % search->rows * (search->most_drops + 1);
}

static void settle(const struct search *search, long settled, long drops, int64_t end_ns) {
    int64_t *at = &row(search, settled)[drops];
    long *used = &search->used[settled % search->rows];
    *at = end_ns < *at ? end_ns : *at;
    *used = drops < *used ? *used : drops + 1;
}

/* Batches of any count that start with request `first`, after start_ns. */
static void run_batches(const struct search *search, long first, long drops, int64_t start_ns) {
    const struct e2b_sched_model *model = search->model;
    int64_t due_ns = search->arrivals[first] + model->target_ns - model->reply_ns;
    long count = 1, left = search->count - first;
    for (int i = 0; i < model->size_count; i++)
        for (; count <= model->sizes[i] && count <= left; count++) {
            int64_t last_ns = search->arrivals[first + count - 1];
            int64_t end_ns = (start_ns > last_ns ? start_ns : last_ns) + model->solo_ns[i];
            if (end_ns > due_ns)
                break;
            settle(search, first + count, drops, end_ns);
        }
}

/* Go on from where `settled` are settled. Returns the fewest drops there, which never are fewer
 * later. */
static long step(const struct search *search, long settled, long fewest) {
    int64_t *now = row(search, settled), least_ns = NEVER;
    long *used = &search->used[settled % search->rows], first = *used;
    for (long drops = fewest; drops < *used; drops++) {
        int64_t end_ns = now[drops];
        now[drops] = NEVER;
        if (end_ns >= least_ns)
            continue; /* no earlier than with fewer */
        least_ns = end_ns > search->arrivals[settled] ? end_ns : 0;
        first = drops < first ? drops : first;
        run_batches(search, settled, drops, end_ns);
        if (drops < search->most_drops)
            settle(search, settled + 1, drops + 1, end_ns);
    }
    *used = 0;
    return first;
}

/* -1: more than most_drops. */
static long fewest_drops(const struct search *search) {
    long fewest = 0;
    for (long i = 0; i < search->rows * (search->most_drops + 1); i++)
        search->ends[i] = NEVER;
    for (long i = 0; i < search->rows; i++)
        search->used[i] = 0;
    settle(search, 0, 0, 0);
    for (long i = 0; i < search->count; i++)
        fewest = step(search, i, fewest);
    const int64_t *last = row(search, search->count);
    while (fewest <= search->most_drops && last[fewest] == NEVER)
        fewest++;
    return fewest <= search->most_drops ? fewest : -1;
}

static bool search_init(struct search *search, const struct e2b_sched_model *model,
    const int64_t *arrivals, long count, long most_drops) {
    *search = (struct search){
        model, arrivals, count, most_drops, model->sizes[model->size_count - 1] + 1, NULL, NULL};
    search->ends = malloc((size_t)(search->rows * (most_drops + 1)) * sizeof *search->ends);
    search->used = malloc((size_t)search->rows * sizeof *search->used);
    return search->ends && search->used;
}

static void search_finish(struct search *search) {
    free(search->ends);
    free(search->used);
}

long e2b_clairvoyant_in_target(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count) {
    struct search search;
    if (model->target_ns <= 0)
        return count;
    bool ready = search_init(&search, model, arrivals, count, count);
    long drops = ready ? fewest_drops(&search) : count + 1;
    search_finish(&search);
    return count - drops;
}

/* The least target in 0 .. MOST_NS that is kept, within a thousandth. */

static long most_late(long count, double share) {
    return (long)((1 - share) * (double)count + 1e-9);
}

int64_t e2b_optimal_quantile(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count, double share) {
    struct e2b_sched_model with_target = *model;
    int64_t low_ns = 0, high_ns = MOST_NS;
    while (high_ns - low_ns > high_ns / 1000 + 1) {
        with_target.target_ns = low_ns + (high_ns - low_ns) / 2;
        bool kept = count - e2b_optimal_of(&with_target, arrivals, count).in_target
            <= most_late(count, share);
        *(kept ? &high_ns : &low_ns) = with_target.target_ns;
    }
    return high_ns;
}

int64_t e2b_clairvoyant_quantile(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count, double share) {
    struct e2b_sched_model with_target = *model;
    struct search search;
    int64_t low_ns = 0, high_ns = MOST_NS;
    bool ready = search_init(&search, &with_target, arrivals, count, most_late(count, share));
    while (ready && high_ns - low_ns > high_ns / 1000 + 1) {
        with_target.target_ns = low_ns + (high_ns - low_ns) / 2;
        *(fewest_drops(&search) >= 0 ? &high_ns : &low_ns) = with_target.target_ns;
    }
    search_finish(&search);
    return ready ? high_ns : -1;
}
