/* A quantile of positive ratios that follows what was seen last: a histogram with logarithmic
 * buckets whose counts are halved now and then. It moves as fast down as up, whatever the
 * quantile, and a burst of equal values weighs no more than its share. */
#ifndef E2B_SCHED_QUANTILE_H
#define E2B_SCHED_QUANTILE_H

#define E2B_QUANTILE_BUCKETS 64

struct e2b_sched_quantile {
    int counts[E2B_QUANTILE_BUCKETS];
    int count; /* their sum, at most 4096 */
};

void e2b_sched_quantile_add(struct e2b_sched_quantile *quantile, double ratio);
/* The upper bound of the bucket, 5 % wide, below which share (0 .. 1) of what was seen lies, within
 * 0.25 .. 5.7. While little was seen, `fallback` counts as a hundred values. */
double e2b_sched_quantile_get(
    const struct e2b_sched_quantile *quantile, double share, double fallback);

#endif
