#include "tools/lab/latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t e2b_lab_quantile(const int64_t *sorted, int count, double q) {
    if (count == 0)
        return 0;
    int rank = (int)ceil(q * count - 1e-9);
    rank = rank < 1 ? 1 : rank;
    return sorted[(rank < count ? rank : count) - 1];
}

void e2b_lab_latency_of(int64_t *values, int count, struct e2b_lab_latency *out) {
    memset(out, 0, sizeof *out);
    if (count == 0)
        return;
    qsort(values, (size_t)count, sizeof *values, compare);
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)values[i];
    *out = (struct e2b_lab_latency){
        .count = count,
        .mean_ns = sum / count,
        .p50_ns = e2b_lab_quantile(values, count, 0.5),
        .p95_ns = e2b_lab_quantile(values, count, 0.95),
        .p99_ns = e2b_lab_quantile(values, count, 0.99),
        .p999_ns = e2b_lab_quantile(values, count, 0.999),
        .max_ns = values[count - 1],
    };
}
