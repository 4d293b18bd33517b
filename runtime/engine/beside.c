#include "runtime/engine/beside.h"

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/engine/served.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RUNS 5
#define FORMAT "e2bird-beside 1 %016" PRIx64 " %" PRId64 "\n"

static int64_t now_of(const struct e2b_served *served) {
    return served->device->ops->now_ns(served->device);
}

double e2b_beside_expected_ns(double solo_ns, double left_ns, double slowdown) {
    return solo_ns + fmin(solo_ns, fmax(left_ns, 0)) * (slowdown - 1);
}

static double slowdown_of(const struct e2b_served *served, int size_index,
    const struct e2b_served *other, int other_index) {
    double demand = served->profile.demand[size_index], more = other->profile.demand[other_index];
    return fmax(1, (demand > 0 ? demand : 1) + (more > 0 ? more : 1));
}

/* The largest batch of `other` begins, then the smallest one of `served`. */
static enum e2b_status run_beside(struct e2b_served *served, const struct e2b_served *other,
    int64_t *wait_ns, struct e2b_error *err) {
    const struct e2b_device_ops *ops = served->device->ops;
    int largest = other->size_count - 1;
    struct e2b_instance *first = other->sizes[largest].instances[0];
    struct e2b_instance *second = served->sizes[0].instances[0];
    int64_t start_ns = now_of(served), began_ns, ended_ns;
    if (e2b_instance_run(first, 0, NULL, NULL, err) != E2B_OK)
        return err->status;
    began_ns = now_of(served);
    if (e2b_instance_run(second, 0, NULL, NULL, err) == E2B_OK)
        ops->finish(e2b_instance_queue(second), err);
    ended_ns = now_of(served);
    struct e2b_error late = {0};
    if (ops->finish(e2b_instance_queue(first), &late) != E2B_OK && err->status == E2B_OK)
        *err = late;
    double left_ns = (double)(other->profile.solo_ns[largest] - (began_ns - start_ns));
    double slowdown = slowdown_of(served, 0, other, largest);
    double expected_ns =
        e2b_beside_expected_ns((double)served->profile.solo_ns[0], left_ns, slowdown);
    *wait_ns = (int64_t)(fmax(0, (double)(ended_ns - began_ns) - expected_ns) / slowdown);
    return err->status;
}

static enum e2b_status measure(struct e2b_served *served, const struct e2b_served *other,
    int64_t until_ns, int64_t *wait_ns, struct e2b_error *err) {
    int64_t waits_ns[RUNS];
    int runs = 0;
    do {
        if (run_beside(served, other, &waits_ns[runs++], err) != E2B_OK)
            return e2b_error_while(
                err, "timing model \"%s\" beside \"%s\"", served->name, other->name);
    } while (runs < RUNS && now_of(served) < until_ns);
    *wait_ns = e2b_clock_median_ns(waits_ns, runs);
    return E2B_OK;
}

/* Keeping. */

static bool load(const char *path, uint64_t key, int64_t *wait_ns) {
    struct e2b_file file = {0};
    struct e2b_error ignored = {0};
    uint64_t found = 0;
    char text[64] = "";
    if (e2b_file_map(path, &file, &ignored) != E2B_OK)
        return false;
    bool whole = file.data && file.bytes < sizeof text;
    if (whole)
        memcpy(text, file.data, file.bytes);
    e2b_file_unmap(&file);
    return whole && sscanf(text, "e2bird-beside 1 %16" SCNx64 " %" SCNd64, &found, wait_ns) == 2
        && found == key && *wait_ns >= 0;
}

static void save(const char *folder, const char *path, uint64_t key, int64_t wait_ns) {
    struct e2b_error err = {0};
    char text[64];
    int bytes = snprintf(text, sizeof text, FORMAT, key, wait_ns);
    if (e2b_file_make_folder(folder, &err) != E2B_OK
        || e2b_file_replace(path, text, (size_t)bytes, &err) != E2B_OK)
        e2b_log(E2B_LOG_WARN, "profiler", "what models wait for is not kept: %s", err.text);
}

/* Of durations too: where they are measured anew, so are waits. */
static uint64_t add_key(uint64_t hash, const struct e2b_served *served) {
    uint64_t key = e2b_profile_key(served);
    hash = e2b_hash(hash, &key, sizeof key);
    return e2b_hash(hash, served->profile.solo_ns, sizeof served->profile.solo_ns);
}

static enum e2b_status learn(struct e2b_served *served, const struct e2b_served *other,
    const char *folder, int64_t until_ns, struct e2b_error *err) {
    uint64_t key = add_key(add_key(E2B_HASH_START, served), other);
    char path[4096];
    int64_t wait_ns = 0;
    e2b_profile_path(folder, key, "beside", path, sizeof path);
    if (!path[0] || !load(path, key, &wait_ns)) {
        if (now_of(served) >= until_ns)
            return E2B_OK;
        if (measure(served, other, until_ns, &wait_ns, err) != E2B_OK)
            return err->status;
        if (path[0])
            save(folder, path, key, wait_ns);
    }
    if (wait_ns > served->profile.beside_ns)
        served->profile.beside_ns = wait_ns;
    return E2B_OK;
}

enum e2b_status e2b_served_profile_beside(struct e2b_served *served,
    struct e2b_served *const *others, int other_count, const char *folder, int64_t budget_ns,
    struct e2b_error *err) {
    int64_t until_ns = now_of(served) + budget_ns;
    for (int i = 0; i < other_count; i++) {
        e2b_progress("timing models side by side", i, other_count, served->name);
        if (learn(served, others[i], folder, until_ns, err) != E2B_OK
            || learn(others[i], served, folder, until_ns, err) != E2B_OK)
            return err->status;
    }
    if (other_count > 0)
        e2b_progress("timing models side by side", other_count, other_count, served->name);
    return E2B_OK;
}
