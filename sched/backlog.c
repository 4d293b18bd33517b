#include "sched/backlog.h"

#include <string.h>

void e2b_sched_backlog_init(struct e2b_sched_backlog *backlog, int64_t window_ns) {
    memset(backlog, 0, sizeof *backlog);
    backlog->width_ns = 2 * window_ns / E2B_BACKLOG_BUCKETS + 1;
}

static int64_t bucket_of(const struct e2b_sched_backlog *backlog, int64_t at_ns) {
    return at_ns > 0 ? at_ns / backlog->width_ns : 0;
}

void e2b_sched_backlog_pass(struct e2b_sched_backlog *backlog, int64_t now_ns) {
    int64_t first = bucket_of(backlog, now_ns) - E2B_BACKLOG_BUCKETS / 2 + 1;
    int64_t kept = backlog->first + E2B_BACKLOG_BUCKETS;
    for (int64_t i = backlog->first; i < first && i < kept; i++) {
        backlog->overdue += backlog->counts[i % E2B_BACKLOG_BUCKETS];
        backlog->counts[i % E2B_BACKLOG_BUCKETS] = 0;
    }
    if (first > backlog->first)
        backlog->first = first;
}

void e2b_sched_backlog_add(struct e2b_sched_backlog *backlog, int64_t due_ns, int count) {
    int64_t bucket = bucket_of(backlog, due_ns);
    if (bucket < backlog->first)
        backlog->overdue += count;
    else
        backlog->counts[bucket % E2B_BACKLOG_BUCKETS] += count;
}

int e2b_sched_backlog_until(const struct e2b_sched_backlog *backlog, int64_t due_ns) {
    int64_t last = bucket_of(backlog, due_ns), end = backlog->first + E2B_BACKLOG_BUCKETS;
    int count = backlog->overdue, wrap = (int)(backlog->first % E2B_BACKLOG_BUCKETS);
    int buckets = last < backlog->first ? 0 : (int)((last < end ? last + 1 : end) - backlog->first);
    int straight = buckets < E2B_BACKLOG_BUCKETS - wrap ? buckets : E2B_BACKLOG_BUCKETS - wrap;
    for (int i = 0; i < straight; i++)
        count += backlog->counts[wrap + i];
    for (int i = 0; i < buckets - straight; i++)
        count += backlog->counts[i];
    return count;
}
