#include "tools/lab/random.h"

#include "runtime/base/text.h"

#include <math.h>
#include <string.h>

struct e2b_lab_random e2b_lab_random_make(uint64_t seed, const char *name) {
    uint64_t hash = e2b_hash(E2B_HASH_START, &seed, sizeof seed);
    return (struct e2b_lab_random){e2b_hash(hash, name, strlen(name))};
}

uint64_t e2b_lab_random_bits(struct e2b_lab_random *random) {
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = random->state;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

int e2b_lab_random_below(struct e2b_lab_random *random, int limit) {
    return (int)(e2b_lab_random_bits(random) % (uint64_t)limit);
}

double e2b_lab_random_uniform(struct e2b_lab_random *random) {
    return ((double)(e2b_lab_random_bits(random) >> 12) + 0.5) * 0x1p-52;
}

double e2b_lab_random_normal(struct e2b_lab_random *random) {
    double radius = sqrt(2 * e2b_lab_random_exponential(random));
    return radius * cos(6.283185307179586 * e2b_lab_random_uniform(random));
}

double e2b_lab_random_exponential(struct e2b_lab_random *random) {
    return -log(e2b_lab_random_uniform(random));
}

double e2b_lab_random_gamma(struct e2b_lab_random *random, double shape) {
    if (shape < 1) {
        double boost = pow(e2b_lab_random_uniform(random), 1 / shape);
        return boost * e2b_lab_random_gamma(random, shape + 1);
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = e2b_lab_random_normal(random), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(e2b_lab_random_uniform(random)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}
