/* Who is let in. On arrival a request's end is predicted; what would end late, make another late or
 * exceed its model's share is refused. What was promised is judged when it ends, and from that
 * follows how much may be promised.
 */
#ifndef E2B_SCHED_ELASTIC_ADMISSION_H
#define E2B_SCHED_ELASTIC_ADMISSION_H

#include "sched/elastic/state.h"

/* Admit or refuse (OVERLOAD, SHARE) the model's newcomers. What is refused is told and gone; when
 * out of memory the rest stay newcomers. */
void e2b_elastic_admit(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions);
/* How many more would be admitted, see struct e2b_policy_ops. */
int e2b_elastic_room(const struct e2b_policy *policy, int index);
/* Drop what waits and can no longer be met (HOPELESS). */
void e2b_elastic_drop(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions);
/* A promise is kept or broken now: its batch has ended, or it is dropped. */
void e2b_elastic_judge(
    struct e2b_policy *policy, struct e2b_elastic_model *model, int slot, bool is_dropped);

/* To be called when some were judged: how much may be promised from now on. */
void e2b_elastic_learn(struct e2b_policy *policy, struct e2b_elastic_model *model);

/* The last moment at which a batch could start that meets must_end_ns. */
int64_t e2b_elastic_last_chance(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model, int64_t must_end_ns);

#endif
