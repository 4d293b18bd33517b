/* What models that share a device wait for one another, measured at load for each pair: a small batch
 * of one begins beside the largest of the other. Demands (sched/policy.h) tell how much both are
 * slowed; what it takes beyond that, it waits until the other's work leaves room. Internal to the
 * engine. */
#ifndef E2B_ENGINE_BESIDE_H
#define E2B_ENGINE_BESIDE_H

#include "runtime/engine/profiler.h"

/* Measures `served` with each of `others`, all profiled and used by nothing else, both ways, or takes
 * what an earlier run left in `folder` (NULL or "": no such). The longest wait beside any other is
 * profile.beside_ns of each. After budget_ns no further pair is begun. Fails when a device does. */
enum e2b_status e2b_served_profile_beside(struct e2b_served *served,
    struct e2b_served *const *others, int other_count, const char *folder, int64_t budget_ns,
    struct e2b_error *err);

/* What a batch takes of `solo_ns` alone that begins when another has left_ns to go, where both
 * together are slowed by `slowdown` (1 or more). */
double e2b_beside_expected_ns(double solo_ns, double left_ns, double slowdown);

#endif
