/* Tensors whose channels are moved 8 at once (octets.clh). */
#ifndef E2B_KERNELS_COMMON_OCTETS_H
#define E2B_KERNELS_COMMON_OCTETS_H

#include "kernels/tensor.h"
#include "kernels/traits.h"

#define E2B_OCTET 8

/* Whether a channels-last tensor's pixels lie at multiples of 8 elements. */
bool e2b_octets_aligned(const struct e2b_tensor *tensor);
/* "", or the option that octets.clh takes where the device has inline PTX. */
const char *e2b_octets_option(const struct e2b_traits *traits);

#endif
