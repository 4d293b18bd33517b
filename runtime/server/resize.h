/* Resizing of images, as the field's preprocessing does it. */
#ifndef E2B_SERVER_RESIZE_H
#define E2B_SERVER_RESIZE_H

#include "runtime/server/image.h"

/* Resize and crop into rule->height * rule->width * 3 bytes.
 *
 * resize_px > 0: both sides are scaled by resize_px / short side (the long one rounded down), then
 * the middle width x height is cut out, its corner at (side - wanted) / 2 rounded half to even;
 * resize_px is at least width and height. resize_px 0: each side is scaled to its own size.
 *
 * Bilinear with antialiasing: result pixel x is the mean of the source pixels k weighted by
 * max(0, 1 - |k + 0.5 - (x + 0.5) * scale| / max(1, scale)), scale = source side / result side;
 * rows first, rounded to uint8 after each direction. */
enum e2b_status e2b_image_fit(const struct e2b_image *image, const struct e2b_image_rule *rule,
    unsigned char *out, struct e2b_error *err);

#endif
