#include "runtime/server/resize.h"

#include "tests/support.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct e2b_image make_image(int width, int height, int channels) {
    struct e2b_image image = {width, height, channels, NULL};
    image.pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    assert_non_null(image.pixels);
    uint32_t seed = 7;
    for (int i = 0; i < width * height * channels; i++) {
        seed = seed * 1664525u + 1013904223u;
        image.pixels[i] = (unsigned char)(seed >> 24);
    }
    return image;
}

/* The definition, in double precision and in two dimensions at once. */
static double exact(
    const struct e2b_image *image, const struct e2b_resize *to, int x, int y, int c) {
    double sx = (double)image->width / to->width, sy = (double)image->height / to->height;
    double rx = fmax(1, sx), ry = fmax(1, sy), sum = 0, weights = 0;
    for (int j = 0; j < image->height; j++)
        for (int i = 0; i < image->width; i++) {
            double wx = fmax(0, 1 - fabs(i + 0.5 - (x + to->left + 0.5) * sx) / rx);
            double wy = fmax(0, 1 - fabs(j + 0.5 - (y + to->top + 0.5) * sy) / ry);
            sum += wx * wy * image->pixels[(j * image->width + i) * image->channels + c];
            weights += wx * wy;
        }
    return sum / weights;
}

static void check(int width, int height, int channels, struct e2b_resize to) {
    struct e2b_error err = {0};
    struct e2b_image image = make_image(width, height, channels);
    size_t bytes = (size_t)to.crop_width * (size_t)to.crop_height * 3;
    unsigned char *out = malloc(bytes + 1);
    assert_non_null(out);
    out[bytes] = 0x5a;
    assert_ok(e2b_resize(&image, &to, out, &err), err);
    for (int y = 0; y < to.crop_height; y++)
        for (int x = 0; x < to.crop_width; x++)
            for (int c = 0; c < 3; c++) {
                double want = exact(&image, &to, x, y, c);
                int got = out[(y * to.crop_width + x) * 3 + c];
                if (fabs(got - want) > 1.01) /* two roundings of a half each */
                    fail_msg("%dx%d -> %dx%d at %d,%d,%d: %d, want %.2f", width, height, to.width,
                        to.height, x, y, c, got, want);
            }
    assert_int_equal(out[bytes], 0x5a);
    free(out);
    e2b_image_finish(&image);
}

static void test_against_the_definition(void **state) {
    (void)state;
    check(17, 11, 3, (struct e2b_resize){5, 4, 0, 0, 5, 4});   /* smaller */
    check(5, 4, 3, (struct e2b_resize){17, 11, 0, 0, 17, 11}); /* larger */
    check(9, 30, 4, (struct e2b_resize){20, 10, 3, 2, 7, 6});  /* mixed, cropped, with alpha */
    check(1, 1, 3, (struct e2b_resize){3, 3, 0, 0, 3, 3});
    check(40, 1, 3, (struct e2b_resize){1, 1, 0, 0, 1, 1});
    check(64, 64, 3, (struct e2b_resize){63, 65, 62, 64, 1, 1}); /* the last corner */
}

static void test_same_size_is_a_copy(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image = make_image(13, 7, 3);
    unsigned char out[13 * 7 * 3];
    assert_ok(e2b_resize(&image, &(struct e2b_resize){13, 7, 0, 0, 13, 7}, out, &err), err);
    assert_memory_equal(out, image.pixels, sizeof out);
    e2b_image_finish(&image);
}

static void test_flat_stays_flat(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image = make_image(31, 29, 3);
    unsigned char out[10 * 10 * 3];
    for (int value = 0; value <= 255; value += 51) {
        memset(image.pixels, value, 31 * 29 * 3);
        assert_ok(e2b_resize(&image, &(struct e2b_resize){10, 10, 0, 0, 10, 10}, out, &err), err);
        for (size_t i = 0; i < sizeof out; i++)
            assert_int_equal(out[i], value);
    }
    e2b_image_finish(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_same_size_is_a_copy),
        cmocka_unit_test(test_flat_stays_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
