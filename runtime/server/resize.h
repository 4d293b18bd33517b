/* Resampling of images: bilinear with antialiasing, as the field's preprocessing does it. */
#ifndef E2B_SERVER_RESIZE_H
#define E2B_SERVER_RESIZE_H

#include "runtime/server/image.h"

/* The size of the result, and the part of it that is wanted, which lies within. */
struct e2b_resize {
    int width, height;
    int left, top, crop_width, crop_height;
};

/* Writes crop_height * crop_width * 3 bytes. Result pixel x is the mean of the source pixels k
 * weighted by max(0, 1 - |k + 0.5 - (x + 0.5) * scale| / max(1, scale)), scale = source side /
 * result side; rows first, rounded to uint8 after each direction. */
enum e2b_status e2b_resize(const struct e2b_image *image, const struct e2b_resize *to,
    unsigned char *out, struct e2b_error *err);

#endif
