/* A policy's view of one model's slots: those that wait for a batch, those that a running batch
 * writes, and the instances. Keeps the rules of a RUN (sched/policy.h): neighbours, padding over
 * slots that exist and that no ready request or running batch holds. A slot that becomes ready
 * while a batch is padded over it is held back until that batch ends. */
#ifndef E2B_SCHED_SLOTS_H
#define E2B_SCHED_SLOTS_H

#include "sched/instances.h"
#include "sched/waiting.h"

/* A decided batch: `count` slots that wait among first .. first + span - 1, the first and the last
 * of these among them. */
struct e2b_sched_batch {
    int first, span, count, size_index, instance;
};

struct e2b_sched_held {
    int priority;
    int64_t due_ns, deadline_ns;
};

struct e2b_sched_slots {
    struct e2b_sched_waiting waiting; /* without those held back */
    struct e2b_sched_instances instances;
    struct e2b_bitset written; /* by running batches, padding included */
    struct e2b_bitset running; /* of those, what a batch runs for: without padding */
    int padding;               /* slots behind the last */
    struct e2b_bitset held;
    struct e2b_sched_held *held_keys;       /* by slot */
    int (*firsts)[E2B_SCHED_MAX_INSTANCES]; /* by size index: first slot of what an instance runs */
    int in_flight;                          /* batches */
};

/* False when out of memory. */
bool e2b_sched_slots_init(struct e2b_sched_slots *slots, const struct e2b_sched_model *model);
void e2b_sched_slots_finish(struct e2b_sched_slots *slots);

/* As e2b_sched_waiting_add. */
void e2b_sched_slots_ready(
    struct e2b_sched_slots *slots, int slot, int priority, int64_t due_ns, int64_t deadline_ns);
void e2b_sched_slots_withdraw(struct e2b_sched_slots *slots, int slot);
void e2b_sched_slots_completed(struct e2b_sched_slots *slots, int size_index, int instance);
int e2b_sched_slots_waiting(const struct e2b_sched_slots *slots); /* held ones included */

/* The batch of a size around a waiting slot that holds most of what waits: a window that may have
 * holes; of equal ones that which begins nearest to the slot. Its instance is not chosen, nor need
 * one be free. False: no window around the slot is free of what running batches write. */
bool e2b_sched_slots_window(
    const struct e2b_sched_slots *slots, int slot, int size_index, struct e2b_sched_batch *out);

/* May a batch be padded over the slots from .. to - 1? */
bool e2b_sched_slots_can_pad(const struct e2b_sched_slots *slots, int from, int to);

/* The head and its neighbours, at most `most`, as one batch: padded to the smallest free size that
 * holds them, else cut to the largest free size that they fill, the head kept. False: nothing waits
 * or no instance suits. */
bool e2b_sched_slots_form(
    const struct e2b_sched_slots *slots, int most, struct e2b_sched_batch *out);

/* Append the RUN of a batch and book it. NULL when out of memory: the slots stay ready. Otherwise
 * its instance is told. */
struct e2b_sched_action *e2b_sched_slots_run(struct e2b_sched_slots *slots, int model,
    enum e2b_sched_reason reason, struct e2b_sched_batch *batch, struct e2b_sched_actions *actions);
/* Append the REJECT of a waiting slot and forget it. False when out of memory. */
bool e2b_sched_slots_reject(struct e2b_sched_slots *slots, int model, enum e2b_sched_reason reason,
    int slot, struct e2b_sched_actions *actions);

#endif
