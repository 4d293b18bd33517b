/* Packed weights of one model on one device. Every packing is done and uploaded once, whatever the
 * number of plans that ask for it: two packings with the same constants and key are one buffer. */
#ifndef E2B_ENGINE_WEIGHTS_H
#define E2B_ENGINE_WEIGHTS_H

#include "backends/device.h"

struct e2b_weights;

enum e2b_status e2b_weights_create(
    struct e2b_device *device, struct e2b_weights **out, struct e2b_error *err);
void e2b_weights_destroy(struct e2b_weights *weights); /* after all plans that use it */

/* Where a packing lies in a block, which has others too; and the same as a buffer of its own, NULL
 * until e2b_weights_part makes it. Enqueuing looks at each buffer of a launch and at all parts of
 * it, so blocks without parts are what costs least. */
struct e2b_packed {
    struct e2b_buffer *block, *buffer;
    size_t offset; /* bytes, a multiple of E2B_PART_ALIGN */
};

/* Where the packing is, made on first use; it lives as long as the weights. One thread at a time.
 */
enum e2b_status e2b_weights_get(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_packed *out, struct e2b_error *err);

/* Give a packing that e2b_weights_get told of a buffer of its own, which lives as long. */
enum e2b_status e2b_weights_part(
    struct e2b_weights *weights, struct e2b_packed *packed, struct e2b_error *err);

/* Make several, in one block, the largest first: the host holds what it packs from, so the less is
 * there already the lower the peak. */
enum e2b_status e2b_weights_get_all(struct e2b_weights *weights,
    const struct e2b_packing **packings, int count, struct e2b_error *err);

int64_t e2b_weights_bytes(const struct e2b_weights *weights);

#endif
