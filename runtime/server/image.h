/* JPEG and PNG to the uint8 height x width x 3 RGB that an image model takes.
 *
 * Decoding: JPEG at the smallest of the scales 1, 1/2, 1/4, 1/8 whose sides are still at least
 * twice what is needed (chroma upsampling and DCT as libjpeg-turbo does by default; EXIF
 * orientation is not applied); PNG of any colour type, 16-bit reduced to 8, transparency dropped.
 * The filter of resizing is in runtime/server/resize.h. */
#ifndef E2B_SERVER_IMAGE_H
#define E2B_SERVER_IMAGE_H

#include "runtime/base/status.h"
#include <stddef.h>

/* No side longer and no more pixels than this, as the file declares them: checked before any memory
 * is taken. */
#define E2B_IMAGE_MAX_SIDE 16384
#define E2B_IMAGE_MAX_PIXELS (64 << 20)

struct e2b_image_rule {
    int width, height; /* of the result */
    int resize_px;     /* short side after resizing, before the centre crop; 0: no crop */
};

/* Pixels follow each other, row by row. Free with e2b_image_finish. */
struct e2b_image {
    int width, height, channels; /* channels 3 or 4; the fourth is ignored */
    unsigned char *pixels;
};

/* "image/jpeg" or "image/png" by the first bytes, NULL for anything else. */
const char *e2b_image_type(const void *bytes, size_t count);

/* INVALID or TOO_LARGE with one line. */
enum e2b_status e2b_image_decode(const void *bytes, size_t count, const struct e2b_image_rule *rule,
    struct e2b_image *out, struct e2b_error *err);
void e2b_image_finish(struct e2b_image *image); /* zeroed is fine */

/* Resize and crop into rule->height * rule->width * 3 bytes.
 * resize_px > 0: both sides are scaled by resize_px / short side (the long one rounded down), then
 * the middle width x height is cut out, its corner at (side - wanted) / 2 rounded half to even;
 * resize_px is at least width and height. resize_px 0: each side is scaled to its own size. */
enum e2b_status e2b_image_fit(const struct e2b_image *image, const struct e2b_image_rule *rule,
    unsigned char *out, struct e2b_error *err);

#endif
