#include "backends/opencl/timeline.h"

struct bounds {
    int64_t least, most;
};

static struct bounds bounds_of(const struct e2b_timeline_sample *sample) {
    return (struct bounds){
        .least = sample->ended_ns - sample->after_ns,
        .most = sample->queued_ns - sample->before_ns,
    };
}

void e2b_timeline_start(
    struct e2b_timeline *timeline, const struct e2b_timeline_sample *samples, int count) {
    struct bounds all = {INT64_MIN, INT64_MAX};
    for (int i = 0; i < count; i++) {
        struct bounds one = bounds_of(&samples[i]);
        all.least = one.least > all.least ? one.least : all.least;
        all.most = one.most < all.most ? one.most : all.most;
    }
    if (count > 0)
        atomic_store(&timeline->offset_ns, all.least + (all.most - all.least) / 2);
}

void e2b_timeline_correct(struct e2b_timeline *timeline, const struct e2b_timeline_sample *sample) {
    struct bounds now = bounds_of(sample);
    if (now.least > now.most)
        return;
    int64_t offset = atomic_load_explicit(&timeline->offset_ns, memory_order_relaxed);
    int64_t right = offset < now.least ? now.least : offset > now.most ? now.most : offset;
    if (right != offset)
        atomic_compare_exchange_strong(&timeline->offset_ns, &offset, right);
}
