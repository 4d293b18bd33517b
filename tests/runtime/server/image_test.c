#include "runtime/server/image.h"

#include "tests/support.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

static const struct e2b_image_rule keep = {.width = 4096, .height = 4096}; /* never scales */

/* A gradient, which JPEG keeps well. */
static unsigned char *gradient(int width, int height, int channels) {
    unsigned char *pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    assert_non_null(pixels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                pixels[(y * width + x) * channels + c] = (unsigned char)(c == 0 ? x * 255 / width
                        : c == 1                                                ? y * 255 / height
                                                                                : 128);
    return pixels;
}

static void *make_png(int width, int height, int format, const void *pixels, size_t *bytes) {
    png_image png = {.version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = (png_uint_32)format};
    png_alloc_size_t count = 0;
    assert_true(png_image_write_to_memory(&png, NULL, &count, 0, pixels, 0, NULL));
    void *out = malloc(count);
    assert_non_null(out);
    assert_true(png_image_write_to_memory(&png, out, &count, 0, pixels, 0, NULL));
    *bytes = count;
    return out;
}

static unsigned char *make_jpeg(
    int width, int height, int format, int subsampling, const void *pixels, size_t *bytes) {
    unsigned char *out = NULL;
    unsigned long count = 0;
    tjhandle jpeg = tjInitCompress();
    assert_non_null(jpeg);
    assert_int_equal(
        tjCompress2(jpeg, pixels, width, 0, height, format, &out, &count, subsampling, 95, 0), 0);
    tjDestroy(jpeg);
    *bytes = count;
    return out;
}

static void test_png(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    unsigned char *pixels = gradient(37, 21, 3);
    size_t bytes;
    void *png = make_png(37, 21, PNG_FORMAT_RGB, pixels, &bytes);
    assert_ok(e2b_image_decode(png, bytes, &keep, &image, &err), err);
    assert_int_equal(image.width, 37);
    assert_int_equal(image.height, 21);
    for (int i = 0; i < 37 * 21; i++)
        assert_memory_equal(image.pixels + i * image.channels, pixels + i * 3, 3);
    e2b_image_finish(&image);
    for (size_t cut = 0; cut + 12 < bytes; cut += 1 + bytes / 50) { /* the last 12 bytes say END */
        assert_int_equal(e2b_image_decode(png, cut, &keep, &image, &err), E2B_INVALID);
        assert_null(image.pixels);
        memset(&err, 0, sizeof err);
    }
    free(png);
    free(pixels);
}

static void test_grey_and_transparent_png(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    const unsigned char grey[] = {0, 100, 200, 255}, clear[] = {10, 20, 30, 0, 40, 50, 60, 255};
    size_t bytes;
    void *png = make_png(4, 1, PNG_FORMAT_GRAY, grey, &bytes);
    assert_ok(e2b_image_decode(png, bytes, &keep, &image, &err), err);
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(image.pixels[i * image.channels + c], grey[i]);
    e2b_image_finish(&image);
    free(png);
    png = make_png(2, 1, PNG_FORMAT_RGBA, clear, &bytes);
    assert_ok(e2b_image_decode(png, bytes, &keep, &image, &err), err);
    assert_memory_equal(image.pixels, clear, 3);
    assert_memory_equal(image.pixels + 4, clear + 4, 3);
    e2b_image_finish(&image);
    free(png);
}

static void check_near(const struct e2b_image *image, int width, int height) {
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    unsigned char *want = gradient(width, height, 3);
    for (int i = 0; i < width * height * 3; i++)
        assert_in_range(image->pixels[i], want[i] < 8 ? 0 : want[i] - 8, want[i] + 8);
    free(want);
}

static void test_jpeg(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    unsigned char *pixels = gradient(160, 128, 3);
    size_t bytes;
    unsigned char *jpeg = make_jpeg(160, 128, TJPF_RGB, TJSAMP_420, pixels, &bytes);
    assert_ok(e2b_image_decode(jpeg, bytes, &keep, &image, &err), err);
    check_near(&image, 160, 128);
    e2b_image_finish(&image);
    /* scaled: the short side stays at least twice 30 */
    const struct e2b_image_rule crop = {24, 24, 30}, stretch = {20, 16, 0};
    assert_ok(e2b_image_decode(jpeg, bytes, &crop, &image, &err), err);
    check_near(&image, 80, 64);
    e2b_image_finish(&image);
    assert_ok(e2b_image_decode(jpeg, bytes, &stretch, &image, &err), err);
    check_near(&image, 40, 32);
    e2b_image_finish(&image);
    for (size_t cut = 0; cut < bytes - 2; cut += 1 + bytes / 50) {
        /* a cut through the size reads as any size */
        assert_int_not_equal(e2b_image_decode(jpeg, cut, &keep, &image, &err), E2B_OK);
        assert_null(image.pixels);
        memset(&err, 0, sizeof err);
    }
    tjFree(jpeg);
    free(pixels);
}

static void test_odd_jpegs(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    unsigned char *pixels = gradient(33, 17, 4);
    size_t bytes;
    unsigned char *grey = make_jpeg(33, 17, TJPF_RGBX, TJSAMP_GRAY, pixels, &bytes);
    assert_ok(e2b_image_decode(grey, bytes, &keep, &image, &err), err);
    assert_int_equal(image.pixels[0], image.pixels[1]);
    e2b_image_finish(&image);
    tjFree(grey);
    unsigned char *cmyk = make_jpeg(33, 17, TJPF_CMYK, TJSAMP_444, pixels, &bytes);
    assert_fails(e2b_image_decode(cmyk, bytes, &keep, &image, &err), E2B_INVALID, "CMYK", err);
    tjFree(cmyk);
    free(pixels);
}

/* Headers that promise more than the limits, with hardly any data behind. */
static void test_bombs(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    unsigned char *pixels = gradient(8, 8, 3);
    size_t bytes;
    unsigned char *jpeg = make_jpeg(8, 8, TJPF_RGB, TJSAMP_444, pixels, &bytes);
    unsigned char *frame = jpeg;
    while (!(frame[0] == 0xff && frame[1] == 0xc0))
        frame++;
    memcpy(frame + 5, "\x3f\xff\x3f\xff", 4); /* 16383 x 16383 */
    assert_fails(
        e2b_image_decode(jpeg, bytes, &keep, &image, &err), E2B_TOO_LARGE, "16383 x 16383", err);
    memcpy(frame + 5, "\x00\x01\xff\xdc", 4); /* 1 x 65500 */
    assert_fails(e2b_image_decode(jpeg, bytes, &keep, &image, &err), E2B_TOO_LARGE, "65500", err);
    tjFree(jpeg);
    unsigned char *line = calloc(20000, 3);
    assert_non_null(line);
    void *png = make_png(20000, 1, PNG_FORMAT_RGB, line, &bytes);
    assert_fails(e2b_image_decode(png, bytes, &keep, &image, &err), E2B_TOO_LARGE, "20000", err);
    free(png);
    free(line);
    free(pixels);
}

static void test_neither(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_image image;
    assert_fails(
        e2b_image_decode("GIF89a..........", 16, &keep, &image, &err), E2B_INVALID, "neither", err);
    assert_fails(e2b_image_decode(NULL, 0, &keep, &image, &err), E2B_INVALID, "neither", err);
}

/* A crop of an image that needs no scaling is exact, so its place can be seen. */
static void test_crop(void **state) {
    (void)state;
    static const struct {
        int width, height, size, left, top;
    } cases[] = {{9, 6, 4, 2, 1}, {6, 11, 4, 1, 4}, {7, 6, 3, 2, 2}, {6, 6, 6, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct e2b_error err = {0};
        struct e2b_image image = {cases[i].width, cases[i].height, 3, NULL};
        const struct e2b_image_rule rule = {cases[i].size, cases[i].size, 6};
        unsigned char out[6 * 6 * 3];
        image.pixels = gradient(image.width, image.height, 3);
        assert_ok(e2b_image_fit(&image, &rule, out, &err), err);
        for (int y = 0; y < rule.height; y++)
            assert_memory_equal(out + y * rule.width * 3,
                image.pixels + ((y + cases[i].top) * image.width + cases[i].left) * 3,
                (size_t)rule.width * 3);
        e2b_image_finish(&image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_grey_and_transparent_png),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_odd_jpegs),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_neither),
        cmocka_unit_test(test_crop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
