/* What the server tells about its models in numbers: Prometheus text with the field's names, and
 * the statistics extension of the protocol. */
#ifndef E2B_SERVER_METRICS_H
#define E2B_SERVER_METRICS_H

#include "runtime/base/text.h"
#include "runtime/engine/engine.h"
#include <stdatomic.h>

#define E2B_HISTOGRAM_BUCKETS 17

/* Durations, counted by upper bounds of 100 us to 20 s in steps of 1-2-5, and above. Any thread. */
struct e2b_histogram {
    atomic_uint_fast64_t buckets[E2B_HISTOGRAM_BUCKETS + 1], sum_ns;
};

void e2b_histogram_add(struct e2b_histogram *histogram, int64_t duration_ns);

/* One model's numbers. refused: requests that the server turned away before the engine had them. */
struct e2b_model_numbers {
    const char *name, *version;
    struct e2b_served_stats stats;
    const int *sizes; /* of stats.batch_count */
    int size_count;
    uint64_t refused[E2B_STATUS_COUNT];
    int64_t device_bytes;
    const struct e2b_histogram *request, *wait, *compute;
};

void e2b_metrics_write(struct e2b_text *out, const struct e2b_model_numbers *models, int count);
/* The server's own: answers by HTTP code (index: code, 0..599) and whether it is ready. */
void e2b_metrics_write_http(
    struct e2b_text *out, const atomic_uint_fast64_t *answers, int open_requests, bool ready);

/* {"model_stats":[...]} */
void e2b_stats_write(struct e2b_text *out, const struct e2b_model_numbers *models, int count);

#endif
