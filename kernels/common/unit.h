/* A GPU's compute units, and what groups that share one have to share. */
#ifndef E2B_KERNELS_COMMON_UNIT_H
#define E2B_KERNELS_COMMON_UNIT_H

#include "kernels/traits.h"

#define E2B_UNIT_REGISTERS 65536 /* of all its work-items, where there are tensor cores */
#define E2B_GROUP_BYTES 1024     /* of local memory that a driver takes for each group */

/* At least 1. */
static inline int64_t e2b_units(const struct e2b_traits *traits) {
    return traits->compute_units > 0 ? traits->compute_units : 1;
}

#endif
