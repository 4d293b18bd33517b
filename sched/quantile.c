#include "sched/quantile.h"

#define FIRST_BOUND 0.25
#define GROWTH 1.05
#define MOST 4096
#define PRIOR 100

static int bucket_of(double ratio) {
    double bound = FIRST_BOUND;
    int bucket = 0;
    for (; bucket < E2B_QUANTILE_BUCKETS - 1 && ratio > bound; bucket++)
        bound *= GROWTH;
    return bucket;
}

void e2b_sched_quantile_add(struct e2b_sched_quantile *quantile, double ratio) {
    quantile->counts[bucket_of(ratio)]++;
    if (++quantile->count < MOST)
        return;
    quantile->count = 0;
    for (int i = 0; i < E2B_QUANTILE_BUCKETS; i++)
        quantile->count += quantile->counts[i] /= 2;
}

double e2b_sched_quantile_get(
    const struct e2b_sched_quantile *quantile, double share, double fallback) {
    int prior = quantile->count < PRIOR ? PRIOR - quantile->count : 0;
    int at = prior ? bucket_of(fallback) : -1;
    double wanted = share * (quantile->count + prior), seen = 0, bound = FIRST_BOUND;
    for (int i = 0; i < E2B_QUANTILE_BUCKETS; i++, bound *= GROWTH) {
        seen += quantile->counts[i] + (i == at ? prior : 0);
        if (seen >= wanted)
            return bound;
    }
    return bound;
}
