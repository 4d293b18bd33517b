#include "runtime/server/resize.h"

#include <math.h>
#include <stdlib.h>

/* One direction: result pixel first + i, i < count, is weighted from source pixels start[i] ..
 * start[i] + taps - 1; weights beyond the source are zero. */
struct axis {
    int count, taps;
    int *start;
    float *weights; /* count rows of taps */
};

static void finish_axis(struct axis *axis) {
    free(axis->start);
    free(axis->weights);
}

static void set_pixel(struct axis *axis, int i, double centre, double radius, int source) {
    int start = (int)floor(centre - radius);
    if (start > source - axis->taps)
        start = source - axis->taps;
    if (start < 0)
        start = 0;
    float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
    double sum = 0;
    for (int k = 0; k < axis->taps; k++) {
        double weight = 1 - fabs(start + k + 0.5 - centre) / radius;
        weights[k] = (float)(weight > 0 ? weight : 0);
        sum += weights[k];
    }
    for (int k = 0; k < axis->taps; k++)
        weights[k] = (float)(weights[k] / sum);
    axis->start[i] = start;
}

/* source pixels become result pixels, of which first .. first + count - 1 are wanted. */
static enum e2b_status init_axis(
    struct axis *axis, int source, int result, int first, int count, struct e2b_error *err) {
    double scale = (double)source / result, radius = scale > 1 ? scale : 1;
    int taps = (int)ceil(2 * radius) + 1;
    *axis = (struct axis){.count = count, .taps = taps < source ? taps : source};
    axis->start = malloc((size_t)count * sizeof *axis->start);
    axis->weights = malloc((size_t)count * (size_t)axis->taps * sizeof *axis->weights);
    if (!axis->start || !axis->weights)
        return e2b_fail_memory(err, "resizing an image");
    for (int i = 0; i < count; i++)
        set_pixel(axis, i, (first + i + 0.5) * scale, radius, source);
    return E2B_OK;
}

/* from: the first tap of a channel, step: bytes between taps. */
static unsigned char blend(const unsigned char *from, size_t step, const float *weights, int taps) {
    float sum = 0.5f;
    for (int k = 0; k < taps; k++)
        sum += weights[k] * from[(size_t)k * step];
    return (unsigned char)(sum < 255.0f ? sum : 255.0f);
}

static void resize_row(
    const struct axis *axis, const unsigned char *row, int channels, unsigned char *out) {
    for (int i = 0; i < axis->count; i++) {
        const unsigned char *from = row + (size_t)axis->start[i] * (size_t)channels;
        const float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
        for (int c = 0; c < 3; c++)
            *out++ = blend(from + c, (size_t)channels, weights, axis->taps);
    }
}

/* rows: those from `origin` on, each `bytes` long. */
static void resize_column(const struct axis *axis, const unsigned char *rows, int origin,
    size_t bytes, unsigned char *out) {
    for (int i = 0; i < axis->count; i++) {
        const unsigned char *from = rows + (size_t)(axis->start[i] - origin) * bytes;
        const float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
        for (size_t at = 0; at < bytes; at++)
            *out++ = blend(from + at, bytes, weights, axis->taps);
    }
}

static enum e2b_status resample(const struct e2b_image *image, const struct axis *across,
    const struct axis *down, unsigned char *out, struct e2b_error *err) {
    int origin = down->start[0], end = down->start[down->count - 1] + down->taps;
    size_t row_bytes = (size_t)image->width * (size_t)image->channels;
    size_t bytes = (size_t)across->count * 3;
    unsigned char *rows = malloc((size_t)(end - origin) * bytes);
    if (!rows)
        return e2b_fail_memory(err, "resizing an image");
    for (int y = origin; y < end; y++)
        resize_row(across, image->pixels + (size_t)y * row_bytes, image->channels,
            rows + (size_t)(y - origin) * bytes);
    resize_column(down, rows, origin, bytes, out);
    free(rows);
    return E2B_OK;
}

enum e2b_status e2b_resize(const struct e2b_image *image, const struct e2b_resize *to,
    unsigned char *out, struct e2b_error *err) {
    struct axis across = {0}, down = {0};
    if (init_axis(&across, image->width, to->width, to->left, to->crop_width, err) == E2B_OK
        && init_axis(&down, image->height, to->height, to->top, to->crop_height, err) == E2B_OK)
        resample(image, &across, &down, out, err);
    finish_axis(&across);
    finish_axis(&down);
    return err->status;
}
