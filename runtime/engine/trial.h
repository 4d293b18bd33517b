/* A trial: one node of a graph as a graph of its own, on the same shapes and strides, run by chosen
 * kernels to time and compare them. Operands are buffers of the trial's, inputs hold seeded random
 * numbers. Internal to the tuner; one thread. */
#ifndef E2B_ENGINE_TRIAL_H
#define E2B_ENGINE_TRIAL_H

#include "runtime/engine/plan.h"

struct e2b_trial;

/* Numbers of inputs: floats and bytes at random, zeros for other integers, which may be indices.
 * Graph and programs are the caller's and outlive the trial. */
enum e2b_status e2b_trial_create(struct e2b_device *device, const struct e2b_graph *graph, int node,
    struct e2b_programs *programs, struct e2b_trial **out, struct e2b_error *err);
void e2b_trial_destroy(struct e2b_trial *trial); /* NULL is fine */

/* A variant of the node's operator that accepts it, and one of its tuning candidates. Its programs
 * have been built, or it fails with UNSUPPORTED. */
struct e2b_choice {
    const char *variant;
    int candidate;
};

/* Median time of a run on the device, one a choice: several warm runs each, in turns. A choice that
 * takes longer than limit_ns at first is not run again. */
enum e2b_status e2b_trial_time(struct e2b_trial *trial, const struct e2b_choice *choices, int count,
    int64_t limit_ns, int64_t *times_ns, struct e2b_error *err);

/* Run a choice and keep its outputs as the right ones. DEVICE if they are not all finite. */
enum e2b_status e2b_trial_expect(
    struct e2b_trial *trial, const struct e2b_choice *choice, struct e2b_error *err);

/* Run a choice several times and compare the last outputs with the right ones: error is the largest
 * of ||difference|| / ||right|| and of max|difference| / max|right|; infinite where an element is
 * not finite or was not written. */
enum e2b_status e2b_trial_check(
    struct e2b_trial *trial, const struct e2b_choice *choice, double *error, struct e2b_error *err);

#endif
