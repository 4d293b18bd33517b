/* The profiler: what the policy's tables need to know of a model on a device, measured at load:
 * each batch size alone, a bounded set of compositions side by side (after E2bird, which runs all
 * of them), the host's time of a launch, and the copy back. From the compositions the demand of
 * each size is fitted (sched/policy.h), where each batch begins when the host has enqueued those
 * before it: a host that is slow beside the device keeps batches apart that would slow one another.
 * Internal to the engine. */
#ifndef E2B_ENGINE_PROFILER_H
#define E2B_ENGINE_PROFILER_H

#include "runtime/base/text.h"
#include "sched/policy.h"

struct e2b_served;

#define E2B_PROFILE_DEFAULT_NS INT64_C(3000000000)
#define E2B_PROFILE_MAX_COMPOSITIONS 48
#define E2B_PROFILE_MAX_BATCHES 16 /* of one composition */

/* Zeroed: nothing is known. */
struct e2b_profile {
    int64_t solo_ns[E2B_SCHED_MAX_SIZES]; /* median, from the first enqueue to the end */
    double demand[E2B_SCHED_MAX_SIZES];
    int64_t launch_ns, reply_ns;
    int compositions;  /* measured side by side */
    double mean_error; /* of the makespans by the fit, relative to what was measured */
    int64_t beside_ns; /* see sched/policy.h; by runtime/engine/beside.h, not in the file */
};

/* Batches side by side: their sizes by index, and how long until all had ended. */
struct e2b_composition {
    int count;
    int size_index[E2B_PROFILE_MAX_BATCHES];
    int64_t makespan_ns;
};

/* Measure a served model that nothing else uses, or take what an earlier run with the same device,
 * plans, sizes, instances and slots left in `folder` (NULL or "": no such), if two runs of each size
 * take about as long as is told there. After budget_ns no further composition is begun; each size
 * alone is always run. Damaged files are measured anew, failing to write one is logged. Fails when
 * the device does. */
enum e2b_status e2b_served_profile(struct e2b_served *served, const char *folder, int64_t budget_ns,
    struct e2b_profile *out, struct e2b_error *err);

/* Of all that durations depend on. */
uint64_t e2b_profile_key(const struct e2b_served *served);
/* The file of a key, "" where none is kept (see `folder` above). */
void e2b_profile_path(
    const char *folder, uint64_t key, const char *extension, char *out, size_t capacity);

/* Fit out->demand of a model whose solo_ns, sizes and instances are filled in. Sizes that no
 * composition holds keep 0, unknown. Fails when out of memory. */
enum e2b_status e2b_profile_fit(const struct e2b_sched_model *model,
    const struct e2b_composition *compositions, int count, struct e2b_profile *out,
    struct e2b_error *err);

/* The file. False: not this version, not this key, or damaged. */
void e2b_profile_write(
    const struct e2b_profile *profile, int size_count, uint64_t key, struct e2b_text *out);
bool e2b_profile_read(
    const char *text, size_t bytes, int size_count, uint64_t key, struct e2b_profile *out);

#endif
