/* Seeded random numbers (splitmix64): the same seed gives the same numbers on every machine. */
#ifndef E2B_TOOLS_LAB_RANDOM_H
#define E2B_TOOLS_LAB_RANDOM_H

#include <stdint.h>

struct e2b_lab_random {
    uint64_t state;
};

/* A stream of its own for each pair of seed and name. */
struct e2b_lab_random e2b_lab_random_make(uint64_t seed, const char *name);

uint64_t e2b_lab_random_bits(struct e2b_lab_random *random);
int e2b_lab_random_below(struct e2b_lab_random *random, int limit); /* 0 .. limit - 1 */
double e2b_lab_random_uniform(struct e2b_lab_random *random);       /* in (0, 1) */
double e2b_lab_random_normal(struct e2b_lab_random *random);        /* mean 0, deviation 1 */
double e2b_lab_random_exponential(struct e2b_lab_random *random);   /* mean 1 */
/* Mean shape, by the method of Marsaglia and Tsang (ACM TOMS 26, 2000). shape > 0. */
double e2b_lab_random_gamma(struct e2b_lab_random *random, double shape);

#endif
