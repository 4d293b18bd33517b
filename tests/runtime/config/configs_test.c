/* Every deployment in configs/ loads. Runs in the root of the source tree. */
#include "runtime/config/config.h"

#include "tests/support.h"
#include <glob.h>
#include <string.h>

static void every_file_in_configs_loads(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob("configs/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct e2b_error err = {0};
        struct e2b_config *config;
        assert_ok(e2b_config_load(found.gl_pathv[i], &config, &err), err);
        e2b_config_destroy(config);
    }
    globfree(&found);
}

static void demo_serves_pictures_with_labels(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_config *config;
    assert_ok(e2b_config_load("configs/demo.yaml", &config, &err), err);
    const struct e2b_config_model *model = &config->models[0];
    assert_string_equal(model->path, "configs/../models/efficientnet_lite0.onnx");
    assert_string_equal(model->labels, "configs/../models/imagenet_labels.txt");
    assert_true(model->image.mean[1] == 127 && model->image.std[1] == 128);
    assert_int_equal(model->image.resize_px, 256);
    e2b_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_in_configs_loads),
        cmocka_unit_test(demo_serves_pictures_with_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
