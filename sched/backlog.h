/* How many waiting requests of a model are due by when, in buckets of time: what an admission has
 * to know, at a cost that does not grow with the queue. Due times lie within one window from when
 * they are added, and leave before they are a window late. */
#ifndef E2B_SCHED_BACKLOG_H
#define E2B_SCHED_BACKLOG_H

#include <stdint.h>

#define E2B_BACKLOG_BUCKETS 64

struct e2b_sched_backlog {
    int64_t width_ns;
    int counts[E2B_BACKLOG_BUCKETS]; /* a ring, by due time / width */
};

void e2b_sched_backlog_init(struct e2b_sched_backlog *backlog, int64_t window_ns);
void e2b_sched_backlog_add(struct e2b_sched_backlog *backlog, int64_t due_ns, int count);
/* Those due until due_ns, its bucket included. */
int e2b_sched_backlog_until(
    const struct e2b_sched_backlog *backlog, int64_t now_ns, int64_t due_ns);

#endif
