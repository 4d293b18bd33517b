/* A device's clock laid on the process's clock. What is known of their offset is an interval: each
 * event narrows it (nothing is queued before we call, nothing ends after we see it), and drift
 * moves it. Lock-free, any thread. */
#ifndef E2B_BACKENDS_OPENCL_TIMELINE_H
#define E2B_BACKENDS_OPENCL_TIMELINE_H

#include <stdatomic.h>
#include <stdint.h>

struct e2b_timeline {
    _Atomic int64_t offset_ns; /* device clock minus ours */
};

/* From markers: device times [queued, ended] of one lie within our times [before, after]. The pair
 * of bounds with the least room between them decides. */
struct e2b_timeline_sample {
    int64_t before_ns, after_ns, queued_ns, ended_ns;
};

void e2b_timeline_start(
    struct e2b_timeline *timeline, const struct e2b_timeline_sample *samples, int count);

/* Move the offset by as little as makes the sample possible. */
void e2b_timeline_correct(struct e2b_timeline *timeline, const struct e2b_timeline_sample *sample);

static inline int64_t e2b_timeline_ours(struct e2b_timeline *timeline, int64_t device_ns) {
    return device_ns - atomic_load_explicit(&timeline->offset_ns, memory_order_relaxed);
}

#endif
