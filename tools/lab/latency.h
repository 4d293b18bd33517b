/* Exact quantiles and moments of latencies: all values are kept and sorted, nothing is binned. */
#ifndef E2B_TOOLS_LAB_LATENCY_H
#define E2B_TOOLS_LAB_LATENCY_H

#include <stdint.h>

struct e2b_lab_latency {
    int count;
    double mean_ns;
    int64_t p50_ns, p95_ns, p99_ns, p999_ns, max_ns; /* 0 of none */
};

/* Sorts values. */
void e2b_lab_latency_of(int64_t *values, int count, struct e2b_lab_latency *out);

/* Of sorted values: the least one that at least share q of them do not exceed. 0 of none. */
int64_t e2b_lab_quantile(const int64_t *sorted, int count, double q);

#endif
