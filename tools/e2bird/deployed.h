/* One model of a configuration, read from its files; no device is needed. */
#ifndef E2B_TOOLS_DEPLOYED_H
#define E2B_TOOLS_DEPLOYED_H

#include "runtime/config/config.h"
#include "runtime/model/graph.h"
#include "tools/e2bird/labels.h"

struct deployed {
    struct e2b_model *model;
    struct labels labels;
    struct e2b_image_input image; /* input -1: its requests carry no pictures */
    enum e2b_dtype precision;
};

/* out is filled even on failure and is always to be closed. */
enum e2b_status deployed_open(
    const struct e2b_config_model *config, struct deployed *out, struct e2b_error *err);
void deployed_close(struct deployed *deployed); /* zeroed is fine */

#endif
