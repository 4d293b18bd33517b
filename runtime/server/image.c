#include "runtime/server/image.h"

#include "runtime/server/resize.h"

#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

void e2b_image_finish(struct e2b_image *image) {
    free(image->pixels);
    *image = (struct e2b_image){0};
}

static enum e2b_status check_size(int64_t width, int64_t height, struct e2b_error *err) {
    if (width < 1 || height < 1 || width > E2B_IMAGE_MAX_SIDE || height > E2B_IMAGE_MAX_SIDE
        || width * height > E2B_IMAGE_MAX_PIXELS)
        return e2b_fail(err, E2B_TOO_LARGE,
            "the image is %lld x %lld, outside 1..%d a side and %d pixels", (long long)width,
            (long long)height, E2B_IMAGE_MAX_SIDE, E2B_IMAGE_MAX_PIXELS);
    return E2B_OK;
}

static enum e2b_status take_memory(
    struct e2b_image *image, int width, int height, int channels, struct e2b_error *err) {
    *image = (struct e2b_image){width, height, channels, NULL};
    image->pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    return image->pixels ? E2B_OK : e2b_fail_memory(err, "an image");
}

/* Whether the sides are still at least twice what the rule needs. */
static bool large_enough(int width, int height, const struct e2b_image_rule *rule) {
    if (rule->resize_px > 0)
        return (width < height ? width : height) >= 2 * rule->resize_px;
    return width >= 2 * rule->width && height >= 2 * rule->height;
}

static void scale_jpeg(int *width, int *height, const struct e2b_image_rule *rule) {
    int full_width = *width, full_height = *height;
    for (int denominator = 2; denominator <= 8; denominator *= 2) {
        const tjscalingfactor factor = {1, denominator};
        int w = TJSCALED(full_width, factor), h = TJSCALED(full_height, factor);
        if (!large_enough(w, h, rule))
            return;
        *width = w;
        *height = h;
    }
}

static enum e2b_status read_jpeg(tjhandle jpeg, const void *bytes, size_t count,
    const struct e2b_image_rule *rule, struct e2b_image *out, struct e2b_error *err) {
    int width, height, subsampling, space;
    if (tjDecompressHeader3(jpeg, bytes, count, &width, &height, &subsampling, &space) != 0)
        return e2b_fail(err, E2B_INVALID, "the JPEG is damaged: %s", tjGetErrorStr2(jpeg));
    if (check_size(width, height, err) != E2B_OK)
        return err->status;
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return e2b_fail(err, E2B_INVALID, "the JPEG has CMYK colours: send RGB or grey");
    scale_jpeg(&width, &height, rule);
    if (take_memory(out, width, height, 3, err) != E2B_OK)
        return err->status;
    if (tjDecompress2(jpeg, bytes, count, out->pixels, width, 0, height, TJPF_RGB,
            TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS)
        != 0)
        return e2b_fail(err, E2B_INVALID, "the JPEG is damaged: %s", tjGetErrorStr2(jpeg));
    return E2B_OK;
}

static enum e2b_status decode_jpeg(const void *bytes, size_t count,
    const struct e2b_image_rule *rule, struct e2b_image *out, struct e2b_error *err) {
    tjhandle jpeg = tjInitDecompress();
    if (!jpeg)
        return e2b_fail_memory(err, "a JPEG decoder");
    read_jpeg(jpeg, bytes, count, rule, out, err);
    tjDestroy(jpeg);
    return err->status;
}

static enum e2b_status read_png(
    png_image *png, const void *bytes, size_t count, struct e2b_image *out, struct e2b_error *err) {
    if (!png_image_begin_read_from_memory(png, bytes, count))
        return e2b_fail(err, E2B_INVALID, "the PNG is damaged: %s", png->message);
    if (check_size(png->width, png->height, err) != E2B_OK
        || take_memory(out, (int)png->width, (int)png->height, 4, err) != E2B_OK)
        return err->status;
    png->format = PNG_FORMAT_RGBA;
    if (!png_image_finish_read(png, NULL, out->pixels, 0, NULL))
        return e2b_fail(err, E2B_INVALID, "the PNG is damaged: %s", png->message);
    return E2B_OK;
}

static enum e2b_status decode_png(
    const void *bytes, size_t count, struct e2b_image *out, struct e2b_error *err) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    read_png(&png, bytes, count, out, err);
    png_image_free(&png);
    return err->status;
}

#define JPEG "image/jpeg"
#define PNG "image/png"

const char *e2b_image_type(const void *bytes, size_t count) {
    static const unsigned char jpeg_start[] = {0xff, 0xd8, 0xff};
    static const unsigned char png_start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (count >= sizeof jpeg_start && memcmp(bytes, jpeg_start, sizeof jpeg_start) == 0)
        return JPEG;
    if (count >= sizeof png_start && memcmp(bytes, png_start, sizeof png_start) == 0)
        return PNG;
    return NULL;
}

enum e2b_status e2b_image_decode(const void *bytes, size_t count, const struct e2b_image_rule *rule,
    struct e2b_image *out, struct e2b_error *err) {
    const char *type = e2b_image_type(bytes, count);
    *out = (struct e2b_image){0};
    if (!type)
        e2b_fail(err, E2B_INVALID, "the body is neither JPEG nor PNG");
    else if (!strcmp(type, JPEG))
        decode_jpeg(bytes, count, rule, out, err);
    else
        decode_png(bytes, count, out, err);
    if (err->status != E2B_OK)
        e2b_image_finish(out);
    return err->status;
}

enum e2b_status e2b_image_fit(const struct e2b_image *image, const struct e2b_image_rule *rule,
    unsigned char *out, struct e2b_error *err) {
    struct e2b_resize to = {rule->width, rule->height, 0, 0, rule->width, rule->height};
    if (rule->resize_px > 0) {
        int shorter = image->width < image->height ? image->width : image->height;
        to.width = (int)((int64_t)image->width * rule->resize_px / shorter);
        to.height = (int)((int64_t)image->height * rule->resize_px / shorter);
        to.left = (int)lrint((to.width - rule->width) / 2.0);
        to.top = (int)lrint((to.height - rule->height) / 2.0);
    }
    return e2b_resize(image, &to, out, err);
}
