/* How batches run: side by side as the tables say, one after another on a busy device that gains
 * nothing from company, or, where several models with targets share a busy one, in lanes: of each
 * model one batch after another, beside those of the others. From that follows each model's pace. */
#ifndef E2B_SCHED_ELASTIC_PACE_H
#define E2B_SCHED_ELASTIC_PACE_H

#include "sched/elastic/state.h"

/* Once a decision, before the other parts ask. */
void e2b_elastic_set_pace(struct e2b_policy *policy);

/* How long the model's smallest batch that holds `count` takes at its pace. */
double e2b_elastic_batch_ns(const struct e2b_elastic_pace *pace,
    const struct e2b_forecast_model *table, int count);

#endif
