/* How many waiting requests of a model are due by when, in buckets of time: what an admission has
 * to know, at a cost that does not grow with the queue. */
#ifndef E2B_SCHED_BACKLOG_H
#define E2B_SCHED_BACKLOG_H

#include <stdint.h>

#define E2B_BACKLOG_BUCKETS 64

struct e2b_sched_backlog {
    int64_t width_ns;
    int64_t first; /* bucket, by due time / width: those before it are long overdue */
    int overdue;
    int counts[E2B_BACKLOG_BUCKETS]; /* a ring */
};

void e2b_sched_backlog_init(struct e2b_sched_backlog *backlog, int64_t window_ns);
/* Time goes on. To be told before what follows of that moment. */
void e2b_sched_backlog_pass(struct e2b_sched_backlog *backlog, int64_t now_ns);
/* count of them come (or leave, if negative); they are due within a window from when they come. */
void e2b_sched_backlog_add(struct e2b_sched_backlog *backlog, int64_t due_ns, int count);
/* Those due until due_ns, its bucket included. */
int e2b_sched_backlog_until(const struct e2b_sched_backlog *backlog, int64_t due_ns);

#endif
