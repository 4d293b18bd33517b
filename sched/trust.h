/* How far a prediction of when a request ends may be trusted. A promise is what was foreseen to
 * pass of the time that the request has, as a share; it was kept or broken. From those judged last
 * follows the largest share, a half or more, up to which promises may be made, so that of all no
 * more than allowed are broken; a few broken ones at first count as if many had been judged, or a
 * burst would lower it for long. Where too many of those are broken that had half of their time
 * left, something else than the share is at fault: they lower it step by step, as to promise less
 * still makes others' way shorter. Above it nothing is known after a while, and is tried again. It
 * rises step by step, as promises are judged late, and the slower the more often it fell. */
#ifndef E2B_SCHED_TRUST_H
#define E2B_SCHED_TRUST_H

#include <stdbool.h>

#define E2B_TRUST_BUCKETS 40

struct e2b_sched_trust {
    int kept[E2B_TRUST_BUCKETS], broken[E2B_TRUST_BUCKETS]; /* by share */
    int count;                                              /* of all, at most 8192 */
    int since, patience; /* promises judged since the limit moved, and before it may rise */
    bool is_learnt;      /* what was judged; nothing since */
    double limit;
};

/* first_limit: until enough was judged. allowed: share of promises that may be broken. */
void e2b_sched_trust_init(struct e2b_sched_trust *trust, double first_limit);
void e2b_sched_trust_add(struct e2b_sched_trust *trust, double share, bool is_broken);
void e2b_sched_trust_learn(struct e2b_sched_trust *trust, double allowed); /* sets limit */

#endif
