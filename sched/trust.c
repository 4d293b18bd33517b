#include "sched/trust.h"

#define MOST 8192
#define ENOUGH 100
#define CREDIT 2048 /* promises, of which so many may be broken before as many were judged */
#define FIRST_PATIENCE 2048 /* judged promises for a step up, */
#define HASTE 128           /* and for one down where that may not help */
#define LEAST 0.5
#define LEAST_BUCKET (E2B_TRUST_BUCKETS / 2 - 1)

void e2b_sched_trust_init(struct e2b_sched_trust *trust, double first_limit) {
    *trust = (struct e2b_sched_trust){.limit = first_limit, .patience = FIRST_PATIENCE};
}

void e2b_sched_trust_add(struct e2b_sched_trust *trust, double share, bool is_broken) {
    int bucket = share > 0 ? (int)(share * E2B_TRUST_BUCKETS) : 0;
    if (bucket >= E2B_TRUST_BUCKETS)
        bucket = E2B_TRUST_BUCKETS - 1;
    (is_broken ? trust->broken : trust->kept)[bucket]++;
    trust->since++;
    trust->is_learnt = false;
    if (++trust->count < MOST)
        return;
    trust->count = 0;
    for (int i = 0; i < E2B_TRUST_BUCKETS; i++)
        trust->count += (trust->kept[i] /= 2) + (trust->broken[i] /= 2);
}

/* Of those up to a share, how many more are broken than may be. */
static double excess_of(int kept, int broken, double allowed) {
    int judged = kept + broken > CREDIT ? kept + broken : CREDIT;
    return broken - 1 - allowed * judged;
}

void e2b_sched_trust_learn(struct e2b_sched_trust *trust, double allowed) {
    int kept = 0, broken = 0, bucket = LEAST_BUCKET;
    double excess = 0, step = 1.0 / E2B_TRUST_BUCKETS;
    if (trust->count < ENOUGH || trust->is_learnt)
        return;
    trust->is_learnt = true;
    for (int i = 0; i < E2B_TRUST_BUCKETS; i++) {
        kept += trust->kept[i];
        broken += trust->broken[i];
        double over = excess_of(kept, broken, allowed);
        if (i == LEAST_BUCKET && over > 0)
            excess = over;
        else if (i > bucket && over <= excess)
            bucket = i;
    }
    double limit = (bucket + 1.0) / E2B_TRUST_BUCKETS;
    if (limit < trust->limit)
        trust->patience = 2 * trust->patience < MOST ? 2 * trust->patience : MOST;
    else if (excess > 0 && trust->since >= HASTE && trust->limit > LEAST + step / 2)
        limit = trust->limit - step;
    else if (excess <= 0 && limit > trust->limit && trust->since >= trust->patience)
        limit = trust->limit + step;
    else
        return;
    trust->limit = limit;
    trust->since = 0;
}
