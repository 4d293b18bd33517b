#include "tools/e2bird/deployed.h"

#include <string.h>

static int find_input(const struct e2b_model *model, const char *name) {
    for (int i = 0; i < e2b_model_input_count(model); i++)
        if (!strcmp(e2b_model_input(model, i)->name, name))
            return i;
    return -1;
}

static enum e2b_status image_input(const struct e2b_config_model *config,
    const struct e2b_model *model, struct e2b_image_input *out, struct e2b_error *err) {
    if (!config->image.input[0])
        return E2B_OK;
    out->input = find_input(model, config->image.input);
    if (out->input < 0)
        return e2b_fail(err, E2B_INVALID,
            "image.input names \"%s\", which is no input of %s; its first is \"%s\"",
            config->image.input, config->path, e2b_model_input(model, 0)->name);
    for (int c = 0; c < 3; c++) {
        out->mean[c] = (float)config->image.mean[config->image.mean_count == 3 ? c : 0];
        out->scale[c] = (float)(1 / config->image.std[config->image.std_count == 3 ? c : 0]);
    }
    return E2B_OK;
}

enum e2b_status deployed_open(
    const struct e2b_config_model *config, struct deployed *out, struct e2b_error *err) {
    *out = (struct deployed){.image = {.input = -1},
        .precision = config->precision == E2B_PRECISION_FP16 ? E2B_F16 : E2B_F32};
    if (e2b_model_load(config->path, &out->model, err) != E2B_OK
        || image_input(config, out->model, &out->image, err) != E2B_OK
        || labels_read(config->labels, &out->labels, err) != E2B_OK)
        return e2b_error_while(err, "opening model \"%s\"", config->name);
    return E2B_OK;
}

void deployed_close(struct deployed *deployed) {
    e2b_model_destroy(deployed->model);
    labels_finish(&deployed->labels);
}
