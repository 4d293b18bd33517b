/* Seeded mutations of what clients send: the inference body in pieces of any size, images, and
 * paths. Nothing may crash or write outside its samples, and every refusal has a line. */
#include "runtime/server/answer.h"
#include "runtime/server/body.h"
#include "runtime/server/image.h"
#include "runtime/server/route.h"
#include "tests/runtime/server/fixture.h"
#include <png.h>
#include <turbojpeg.h>

enum { ROUNDS = 60000, IMAGE_ROUNDS = 3000, CAPACITY = 4096 };

static uint64_t seed;

static uint32_t random_below(uint32_t bound) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 20) % bound);
}

struct bytes {
    unsigned char data[CAPACITY];
    size_t count;
};

static void insert(struct bytes *bytes, const void *data, size_t count) {
    if (bytes->count + count > CAPACITY)
        return;
    size_t at = random_below((uint32_t)bytes->count + 1);
    memmove(bytes->data + at + count, bytes->data + at, bytes->count - at);
    memcpy(bytes->data + at, data, count);
    bytes->count += count;
}

static void erase(struct bytes *bytes) {
    if (bytes->count == 0)
        return;
    size_t at = random_below((uint32_t)bytes->count);
    size_t count = 1 + random_below(16);
    if (count > bytes->count - at)
        count = bytes->count - at;
    memmove(bytes->data + at, bytes->data + at + count, bytes->count - at - count);
    bytes->count -= count;
}

static void repeat(struct bytes *bytes) {
    unsigned char part[64];
    if (bytes->count < sizeof part)
        return;
    size_t count = 1 + random_below(sizeof part);
    memcpy(part, bytes->data + random_below((uint32_t)(bytes->count - count + 1)), count);
    insert(bytes, part, count);
}

static void mutate(struct bytes *bytes) {
    static const char *const words[] = {"{", "}", "[", "]", "\"", ",", ":", "-", "0", "null",
        "true", "1e999", "99999999999999999999", "\\u0000", "\xff", "\"shape\":[", "\"data\":[",
        "[[[[[[[[", "9223372036854775807", "\"parameters\":{", "\"binary_data_size\":"};
    for (uint32_t i = 1 + random_below(4); i > 0; i--)
        switch (random_below(6)) {
        case 0:
            erase(bytes);
            break;
        case 1:
            repeat(bytes);
            break;
        case 2: {
            const char *word = words[random_below(sizeof words / sizeof *words)];
            insert(bytes, word, strlen(word));
            break;
        }
        case 3:
            bytes->count = random_below((uint32_t)bytes->count + 1);
            break;
        default:
            if (bytes->count > 0)
                bytes->data[random_below((uint32_t)bytes->count)] =
                    (unsigned char)random_below(256);
        }
}

static const char *const heads[] = {
    "{\"id\":\"7\",\"inputs\":[{\"name\":\"mask\",\"shape\":[2,5],\"datatype\":\"UINT8\","
    "\"data\":[[1,2,3,4,5],[6,7,8,9,10]]},{\"name\":\"image\",\"shape\":[2,2,3],"
    "\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":48}}],"
    "\"outputs\":[{\"name\":\"scores\",\"parameters\":{\"classification\":3}}]}",
    "{\"inputs\":[{\"name\":\"image\",\"shape\":[1,2,3],\"datatype\":\"FP32\",\"data\":"
    "[1,2.5,-3e2,4,5,6]},{\"name\":\"mask\",\"shape\":[1,5],\"datatype\":\"UINT8\","
    "\"data\":[0,0,0,0,255]}],\"parameters\":{\"binary_data_output\":true,\"timeout\":5}}",
    "{\"inputs\":[{\"name\":\"image\",\"shape\":[4,2,3],\"datatype\":\"FP32\","
    "\"parameters\":{\"binary_data_size\":96}},{\"name\":\"mask\",\"shape\":[4,5],"
    "\"datatype\":\"UINT8\",\"parameters\":{\"binary_data_size\":20}}]}",
};
static const size_t binary_bytes[] = {48, 0, 116};

/* A valid body, and the length of its head. */
static size_t make_body(struct bytes *out) {
    uint32_t which = random_below(3);
    out->count = strlen(heads[which]);
    memcpy(out->data, heads[which], out->count);
    size_t head_bytes = which == 1 && random_below(2) ? E2B_BODY_ALL_HEAD : out->count;
    for (size_t i = 0; i < binary_bytes[which]; i++)
        out->data[out->count++] = (unsigned char)random_below(256);
    return head_bytes;
}

static const void *output(void *context, int sample, int index) {
    static const double scores[4] = {1, 2, 3, 4};
    (void)context;
    (void)sample;
    (void)index;
    return scores;
}

static void check_answer(const struct e2b_infer *infer) {
    struct e2b_error err = {0};
    struct e2b_text out = {0};
    size_t head_bytes;
    const struct e2b_answer_source source = {NULL, output};
    if (e2b_answer_check(&fixture, infer, &err) == E2B_OK)
        assert_ok(e2b_answer_encode(&fixture, infer, NULL, &source, &out, &head_bytes, &err), err);
    e2b_text_finish(&out);
}

static bool run_body(const struct bytes *bytes, size_t head_bytes, size_t total_bytes) {
    struct e2b_error err = {0};
    struct fixture_slots slots = {0};
    struct e2b_body_sink sink = fixture_sink(&slots);
    struct e2b_body body;
    e2b_body_init(&body, &fixture, &sink, head_bytes, total_bytes);
    for (size_t at = 0; at < bytes->count && err.status == E2B_OK;) {
        size_t piece = 1 + random_below(200);
        if (piece > bytes->count - at)
            piece = bytes->count - at;
        e2b_body_feed(&body, bytes->data + at, piece, &err);
        at += piece;
    }
    if (err.status == E2B_OK && e2b_body_end(&body, &err) == E2B_OK)
        check_answer(&body.infer);
    else
        assert_true(err.text[0] != '\0' && !strchr(err.text, '\n'));
    e2b_body_finish(&body);
    fixture_check_guards(&slots);
    return err.status == E2B_OK;
}

static void test_bodies(void **state) {
    (void)state;
    int taken = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct bytes bytes;
        seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(round + 1);
        size_t head_bytes = make_body(&bytes), total_bytes = bytes.count;
        if (round % 10) /* each tenth stays valid */
            mutate(&bytes);
        if (random_below(4) == 0 && round % 10)
            head_bytes = random_below(600);
        if (random_below(2))
            total_bytes = E2B_BODY_UNKNOWN;
        bool good = run_body(&bytes, head_bytes, total_bytes);
        taken += good;
        if (round % 10 == 0)
            assert_true(good);
    }
    print_message("%d of %d bodies were taken\n", taken, ROUNDS);
    assert_in_range(taken, ROUNDS / 10, ROUNDS - 1);
}

static void make_jpeg(struct bytes *out, const unsigned char *pixels) {
    unsigned char *data = NULL;
    unsigned long count = 0;
    tjhandle jpeg = tjInitCompress();
    assert_non_null(jpeg);
    assert_int_equal(
        tjCompress2(jpeg, pixels, 24, 0, 20, TJPF_RGB, &data, &count, TJSAMP_420, 60, 0), 0);
    assert_true(count < CAPACITY / 2);
    memcpy(out->data, data, count);
    out->count = count;
    tjFree(data);
    tjDestroy(jpeg);
}

static void make_png(struct bytes *out, const unsigned char *pixels) {
    png_image png = {.version = PNG_IMAGE_VERSION, .width = 24, .height = 20};
    png.format = PNG_FORMAT_RGB;
    png_alloc_size_t count = CAPACITY / 2;
    assert_true(png_image_write_to_memory(&png, out->data, &count, 0, pixels, 0, NULL));
    out->count = count;
}

static void run_image(const struct bytes *bytes) {
    static const struct e2b_image_rule rules[] = {{8, 8, 10}, {8, 8, 0}, {1, 3, 3}};
    const struct e2b_image_rule *rule = &rules[random_below(3)];
    struct e2b_error err = {0};
    struct e2b_image image;
    unsigned char out[8 * 8 * 3];
    if (e2b_image_decode(bytes->data, bytes->count, rule, &image, &err) == E2B_OK)
        e2b_image_fit(&image, rule, out, &err);
    assert_true(err.status == E2B_OK || (err.text[0] != '\0' && !strchr(err.text, '\n')));
    e2b_image_finish(&image);
}

static void test_images(void **state) {
    (void)state;
    unsigned char pixels[24 * 20 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)(i / 6);
    struct bytes good[2];
    make_jpeg(&good[0], pixels);
    make_png(&good[1], pixels);
    for (int round = 0; round < IMAGE_ROUNDS; round++) {
        seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(round + 1);
        struct bytes bytes = good[round % 2];
        mutate(&bytes);
        run_image(&bytes);
    }
}

static void test_paths(void **state) {
    (void)state;
    static const char *const urls[] = {"/v2/models/m/versions/1/infer", "/v2/repository/r/index",
        "/v2/models/stats", "/v2/health/ready", "/metrics"};
    for (int round = 0; round < ROUNDS; round++) {
        seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(round + 1);
        struct bytes bytes = {.count = 0};
        const char *url = urls[random_below(5)];
        insert(&bytes, url, strlen(url));
        mutate(&bytes);
        char text[CAPACITY + 1];
        memcpy(text, bytes.data, bytes.count);
        text[bytes.count] = '\0';
        struct e2b_route route;
        int http = e2b_route_find(round % 2 ? "GET" : "POST", text, &route);
        assert_true(http == 200 || http == 404 || http == 405);
        assert_true(strlen(route.model) < sizeof route.model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
