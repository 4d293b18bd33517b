#include "sched/backlog.h"

#include <string.h>

void e2b_sched_backlog_init(struct e2b_sched_backlog *backlog, int64_t window_ns) {
    memset(backlog, 0, sizeof *backlog);
    backlog->width_ns = 2 * window_ns / E2B_BACKLOG_BUCKETS + 1;
}

static int64_t bucket_of(const struct e2b_sched_backlog *backlog, int64_t at_ns) {
    return at_ns > 0 ? at_ns / backlog->width_ns : 0;
}

void e2b_sched_backlog_add(struct e2b_sched_backlog *backlog, int64_t due_ns, int count) {
    backlog->counts[bucket_of(backlog, due_ns) % E2B_BACKLOG_BUCKETS] += count;
}

int e2b_sched_backlog_until(
    const struct e2b_sched_backlog *backlog, int64_t now_ns, int64_t due_ns) {
    int64_t last = bucket_of(backlog, due_ns);
    int64_t first = bucket_of(backlog, now_ns) - E2B_BACKLOG_BUCKETS / 2 + 1;
    int count = 0;
    if (last - first >= E2B_BACKLOG_BUCKETS)
        last = first + E2B_BACKLOG_BUCKETS - 1;
    for (int64_t i = first < 0 ? 0 : first; i <= last; i++)
        count += backlog->counts[i % E2B_BACKLOG_BUCKETS];
    return count;
}
