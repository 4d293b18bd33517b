/* Tunes a contender's options on seeds that are not reported, with the same budget for every
 * policy. */
#ifndef E2B_TOOLS_LAB_TUNE_H
#define E2B_TOOLS_LAB_TUNE_H

#include "tools/lab/setup.h"

/* Tries the contender as it is and up to runs - 1 other points of its options' grid: all of them,
 * or as many drawn at random. Best is the least share of violations, then, where that differs by
 * less than a thousandth, the least mean latency. best is renamed. Options that no grid is known
 * for keep their values. */
enum e2b_status e2b_lab_tune(struct e2b_lab_setup *setup, const struct e2b_lab_contender *contender,
    const struct e2b_lab_arrivals *arrivals, double load_percent, uint64_t seed, int runs,
    struct e2b_lab_contender *best, struct e2b_error *err);

#define E2B_LAB_MOST_CANDIDATES 16

/* The grid of one option: how many values, 0 if none is known. sizes ascend. */
int e2b_lab_grid(const struct e2b_policy_option *option, const int *sizes, int size_count,
    int64_t target_ns, int64_t values[E2B_LAB_MOST_CANDIDATES]);

#endif
