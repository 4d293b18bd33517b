#include "runtime/server/form.h"

#include "tests/support.h"
#include <string.h>

static const struct e2b_catalog_model tensors;
static const struct e2b_catalog_model pictures = {
    .image = {224, 224, 256}, .entry = {.labels = {.count = 1000}}};

static void check(const struct e2b_form_headers *headers, const struct e2b_catalog_model *model,
    int http, const char *says) {
    struct e2b_error err = {0};
    struct e2b_inference_form form;
    assert_int_equal(e2b_form_read(headers, model, 1000, &form, &err), http);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void test_refuses(void **state) {
    (void)state;
    static const struct {
        struct e2b_form_headers headers;
        const struct e2b_catalog_model *model;
        int http;
        const char *says;
    } cases[] = {
        {{.content_encoding = "gzip"}, &tensors, 415, "compressed"},
        {{.content_type = "image/webp"}, &pictures, 415, "image/jpeg"},
        {{.content_type = "image/png"}, &tensors, 415, "no images"},
        {{.content_type = "image/png", .top = "1025"}, &pictures, 400, "0..1024"},
        {{.content_type = "image/png", .top = "-1"}, &pictures, 400, "top=-1"},
        {{.content_length = "1001"}, &tensors, 413, "1001 bytes"},
        {{.content_length = "x"}, &tensors, 400, "not a number"},
        {{.content_length = "10", .head_length = "11"}, &tensors, 400, "outside 0..10"},
        {{.head_length = "1001"}, &tensors, 400, "outside 0..1000"},
        {{.head_length = ""}, &tensors, 400, "outside"},
        {{.head_length = "99999999999999999999"}, &tensors, 400, "outside"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i].headers, cases[i].model, cases[i].http, cases[i].says);
}

static struct e2b_inference_form take(
    struct e2b_form_headers headers, const struct e2b_catalog_model *model) {
    struct e2b_error err = {0};
    struct e2b_inference_form form = {0};
    if (e2b_form_read(&headers, model, 1000, &form, &err) != 0)
        fail_msg("%s", err.text);
    return form;
}

static void test_lengths(void **state) {
    (void)state;
    struct e2b_inference_form form =
        take((struct e2b_form_headers){.content_length = "1000", .head_length = "20"}, &tensors);
    assert_int_equal(form.total_bytes, 1000);
    assert_int_equal(form.head_bytes, 20);
    form = take((struct e2b_form_headers){.content_encoding = "identity"}, &tensors);
    assert_true(form.total_bytes == E2B_BODY_UNKNOWN && form.head_bytes == E2B_BODY_ALL_HEAD);
    /* chunked: a Content-Length beside it says nothing */
    form = take(
        (struct e2b_form_headers){.content_length = "5", .transfer_encoding = "chunked"}, &tensors);
    assert_true(form.total_bytes == E2B_BODY_UNKNOWN);
}

static void test_pictures(void **state) {
    (void)state;
    struct e2b_inference_form form =
        take((struct e2b_form_headers){.content_type = "Image/JPEG; q=1"}, &pictures);
    assert_true(form.image);
    assert_int_equal(form.top, 5);
    form = take((struct e2b_form_headers){.content_type = "image/png", .top = "0"}, &pictures);
    assert_int_equal(form.top, 0);
    form =
        take((struct e2b_form_headers){.content_type = "application/json", .top = "9"}, &tensors);
    assert_false(form.image);
    assert_int_equal(form.top, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
