#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"
#include "tools/e2bird/deployed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/e2bird-deployed-XXXXXX";

static int write_model(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "pixels", E2B_F32, E2B_SHAPE(-1, 3, 4, 4));
    e2b_builder_node(builder, "Relu", "pixels", "y");
    e2b_builder_output(builder, "y");
    size_t count;
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, bytes, count) == (ssize_t)count;
    close(fd);
    free(bytes);
    e2b_builder_destroy(builder);
    return written ? 0 : -1;
}

static int remove_model(void **state) {
    (void)state;
    return unlink(path);
}

static struct e2b_config_model configured(void) {
    struct e2b_config_model config = {0};
    config.name = (char *)"m";
    config.path = path;
    config.labels = (char *)"";
    config.image.input = (char *)"";
    config.image.mean[0] = 10;
    config.image.std[0] = 4;
    config.image.mean_count = config.image.std_count = 1;
    return config;
}

static void one_mean_counts_for_all_colours(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct deployed deployed;
    struct e2b_config_model config = configured();
    assert_ok(deployed_open(&config, &deployed, &err), err);
    assert_int_equal(deployed.image.input, -1);
    deployed_close(&deployed);
    config.image.input = (char *)"pixels";
    assert_ok(deployed_open(&config, &deployed, &err), err);
    assert_int_equal(deployed.image.input, 0);
    for (int c = 0; c < 3; c++) {
        assert_true(deployed.image.mean[c] == 10);
        assert_true(deployed.image.scale[c] == 0.25f);
    }
    deployed_close(&deployed);
}

static void refusals_name_the_model(void **state) {
    (void)state;
    struct e2b_config_model configs[] = {configured(), configured(), configured()};
    configs[0].path = (char *)"/nowhere/model.onnx";
    configs[1].image.input = (char *)"piksels";
    configs[2].labels = (char *)"/nowhere/labels.txt";
    static const char *const says[] = {"/nowhere/model.onnx", "piksels", "/nowhere/labels.txt"};
    for (int i = 0; i < 3; i++) {
        struct e2b_error err = {0};
        struct deployed deployed;
        assert_int_not_equal(deployed_open(&configs[i], &deployed, &err), E2B_OK);
        assert_non_null(strstr(err.text, says[i]));
        assert_non_null(strstr(err.text, "model \"m\""));
        deployed_close(&deployed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mean_counts_for_all_colours),
        cmocka_unit_test(refusals_name_the_model),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
