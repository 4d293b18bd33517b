/* A small network with layers of all sorts, planned with or without merged launches. */
#ifndef E2B_TESTS_ENGINE_MERGING_H
#define E2B_TESTS_ENGINE_MERGING_H

#include "runtime/engine/instance.h"

#define MERGING_BATCH 3 /* at most */
#define MERGING_CHANNELS 4
#define MERGING_SIDE 20
#define MERGING_IN (MERGING_CHANNELS * MERGING_SIDE * MERGING_SIDE)
#define MERGING_OUT 10

struct merging {
    struct e2b_device *device; /* the caller's */
    struct e2b_model *model;
    struct e2b_graph *graph;
    struct e2b_weights *weights;
    struct e2b_programs *programs;
    struct e2b_plan *plan;
    struct e2b_buffer *in, *out;
};

struct merging merging_open(
    struct e2b_device *device, int batch, enum e2b_dtype precision, enum e2b_merge_rule merge);
void merging_close(struct merging *merging);

struct e2b_instance *merging_instance(const struct merging *merging); /* the caller's */
/* A few runs of an instance of its own; out gets batch * MERGING_OUT numbers. */
void merging_run(const struct merging *merging, float seed, float *out);

/* Plans the network in both ways, compares what they compute bit by bit, and that there are fewer
 * launches. */
void merging_check(struct e2b_device *device, int batch, enum e2b_dtype precision);

/* Where jobs can tell their times: that each is taken, then ready, then done, and none before those
 * it waits for were ready. */
void merging_check_times(struct e2b_device *device, int batch, enum e2b_dtype precision);

#endif
