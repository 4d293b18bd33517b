/* The host's side of kernels that make 8 channels of a run of pixels a work-item (octets.clh). */
#ifndef E2B_KERNELS_COMMON_OCTETS_H
#define E2B_KERNELS_COMMON_OCTETS_H

#include "kernels/launch.h"
#include "kernels/tensor.h"
#include "kernels/traits.h"

#define E2B_OCTET 8

/* Whether a channels-last tensor's pixels lie at multiples of 8 elements. */
bool e2b_octets_aligned(const struct e2b_tensor *tensor);
/* "", or the option that octets.clh takes where the device has inline PTX. */
const char *e2b_octets_option(const struct e2b_traits *traits);

/* Windows over the lines of an image, all of them `lines` by `width` outputs of `octets` each. */
struct e2b_octet_windows {
    int64_t octets, width, lines;
    int64_t kernel, stride, dilation; /* along a line */
    bool merged; /* work-items are few, and groups cut anew: see struct e2b_call's group_items */
};

/* Neighbours that a work-item makes: more of them load less, fewer keep more of the device busy and
 * need fewer registers. Candidates 1 .. e2b_octets_runs() are for the tuner, 0 is the guess. */
int e2b_octets_run(
    const struct e2b_traits *traits, const struct e2b_octet_windows *windows, int candidate);
int e2b_octets_runs(void);
/* Grid and group: octets, runs of a line, lines. Kernels check that they are inside. */
void e2b_octets_grid(struct e2b_launch *launch, const struct e2b_octet_windows *windows, int run);

#endif
