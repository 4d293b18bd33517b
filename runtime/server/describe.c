#include "runtime/server/describe.h"

#include "runtime/server/json_tensor.h"

#include <string.h>

#define PLATFORM "e2bird_onnx"

void e2b_describe_server(struct e2b_text *out) {
    e2b_text_add(out,
        "{\"name\":\"e2bird\",\"version\":\"" E2B_SERVER_VERSION "\",\"extensions\":["
        "\"binary_tensor_data\",\"classification\",\"model_configuration\",\"parameters\","
        "\"schedule_policy\",\"statistics\"]}");
}

/* [-1,3,224,224]; from: first dimension to write. */
static void add_dims(struct e2b_text *out, const struct e2b_signature *signature,
    const struct e2b_io *io, int from) {
    e2b_text_add(out, "[");
    for (int i = from; i < io->shape.rank; i++) {
        bool batch = i == 0 && signature->max_batch > 0;
        e2b_text_add(
            out, "%s%lld", i > from ? "," : "", batch ? -1LL : (long long)io->shape.dims[i]);
    }
    e2b_text_add(out, "]");
}

static void add_tensors(struct e2b_text *out, const struct e2b_signature *signature,
    const struct e2b_io *list, int count) {
    for (int i = 0; i < count; i++) {
        e2b_text_add(out, "%s{\"name\":", i ? "," : "");
        e2b_json_write_string(out, list[i].name);
        e2b_text_add(out, ",\"datatype\":\"%s\",\"shape\":", e2b_dtype_name(list[i].dtype));
        add_dims(out, signature, &list[i], 0);
        e2b_text_add(out, "}");
    }
}

void e2b_describe_model(struct e2b_text *out, const struct e2b_signature *signature) {
    e2b_text_add(out, "{\"name\":");
    e2b_json_write_string(out, signature->name);
    e2b_text_add(out, ",\"versions\":[");
    e2b_json_write_string(out, signature->version);
    e2b_text_add(out, "],\"platform\":\"" PLATFORM "\",\"inputs\":[");
    add_tensors(out, signature, signature->inputs, signature->input_count);
    e2b_text_add(out, "],\"outputs\":[");
    add_tensors(out, signature, signature->outputs, signature->output_count);
    e2b_text_add(out, "]}");
}

static void add_config_tensors(struct e2b_text *out, const struct e2b_signature *signature,
    const struct e2b_io *list, int count) {
    for (int i = 0; i < count; i++) {
        e2b_text_add(out, "%s{\"name\":", i ? "," : "");
        e2b_json_write_string(out, list[i].name);
        e2b_text_add(out, ",\"data_type\":\"TYPE_%s\",\"dims\":", e2b_dtype_name(list[i].dtype));
        add_dims(out, signature, &list[i], signature->max_batch > 0 ? 1 : 0);
        e2b_text_add(out, "}");
    }
}

void e2b_describe_config(struct e2b_text *out, const struct e2b_signature *signature,
    const int *preferred, int preferred_count) {
    e2b_text_add(out, "{\"name\":");
    e2b_json_write_string(out, signature->name);
    e2b_text_add(out, ",\"platform\":\"" PLATFORM "\",\"max_batch_size\":%d,\"input\":[",
        signature->max_batch);
    add_config_tensors(out, signature, signature->inputs, signature->input_count);
    e2b_text_add(out, "],\"output\":[");
    add_config_tensors(out, signature, signature->outputs, signature->output_count);
    e2b_text_add(out, "]");
    if (signature->max_batch > 0) {
        e2b_text_add(out, ",\"dynamic_batching\":{\"preferred_batch_size\":[");
        for (int i = 0; i < preferred_count; i++)
            e2b_text_add(out, "%s%d", i ? "," : "", preferred[i]);
        e2b_text_add(out, "]}");
    }
    e2b_text_add(out, "}");
}

void e2b_describe_index_row(
    struct e2b_text *out, const struct e2b_signature *signature, bool ready) {
    e2b_text_add(out, "{\"name\":");
    e2b_json_write_string(out, signature->name);
    e2b_text_add(out, ",\"version\":");
    e2b_json_write_string(out, signature->version);
    e2b_text_add(out, ",\"state\":\"%s\"%s}", ready ? "READY" : "UNAVAILABLE",
        ready ? "" : ",\"reason\":\"the server is starting or stopping\"");
}
