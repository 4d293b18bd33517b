/* Packed weights of one model on one device. Every packing is done and uploaded once, whatever the
 * number of plans that ask for it: two packings with the same constants and key are one buffer. */
#ifndef E2B_ENGINE_WEIGHTS_H
#define E2B_ENGINE_WEIGHTS_H

#include "backends/device.h"

struct e2b_weights;

enum e2b_status e2b_weights_create(
    struct e2b_device *device, struct e2b_weights **out, struct e2b_error *err);
void e2b_weights_destroy(struct e2b_weights *weights); /* after all plans that use it */

/* The buffer that holds the packing, made on first use; it lives as long as the weights. One thread
 * at a time. */
enum e2b_status e2b_weights_get(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_buffer **out, struct e2b_error *err);

/* Make several, the largest first: the host holds what it packs from, so the less is there already
 * the lower the peak. */
enum e2b_status e2b_weights_get_all(struct e2b_weights *weights,
    const struct e2b_packing **packings, int count, struct e2b_error *err);

int64_t e2b_weights_bytes(const struct e2b_weights *weights);

#endif
