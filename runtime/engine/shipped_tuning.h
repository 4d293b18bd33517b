/* The files of configs/tuning/, embedded at build time. */
#ifndef E2B_ENGINE_SHIPPED_TUNING_H
#define E2B_ENGINE_SHIPPED_TUNING_H

#include "kernels/launch.h"

extern const struct e2b_source *const e2b_shipped_tuning[]; /* ends with NULL */

#endif
