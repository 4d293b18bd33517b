/* A rig for tests: models of a small made-up table on a simulated device. */
#ifndef E2B_TESTS_LAB_BENCH_H
#define E2B_TESTS_LAB_BENCH_H

#include "tools/lab/rig.h"

/* Two models, "a" and "b": sizes 1, 2, 4, 8; a batch of n takes 1 + 0.25 n ms, or twice that. */
const struct e2b_lab_table *bench_table(void);

void bench_quiet(void); /* devices are made anew for each run: only warnings are logged */

/* Policy as e2b_lab_contender_parse; target_ns 0: none. The first `models` of the table. */
void bench_open(struct e2b_lab_rig *rig, const struct e2b_lab_table *table, const char *policy,
    int models, int64_t target_ns);

#endif
