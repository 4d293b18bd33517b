#include "runtime/model/model.h"

#include "runtime/base/file.h"
#include "runtime/model/onnx_read.h"
#include "runtime/model/onnx_slim.h"
#include "runtime/model/specialise.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_BATCH 2
#define LARGE_BYTES 4096

static bool is_first_use(const struct e2b_graph *graph, int value) {
    for (int i = 0; i < value; i++)
        if (graph->values[i].constant == graph->values[value].constant)
            return false;
    return true;
}

static int64_t count_weights(const struct e2b_network *net) {
    int64_t bytes = 0;
    for (int i = 0; i < net->graph.value_count; i++) {
        const struct e2b_constant *constant = net->graph.values[i].constant;
        if (constant && e2b_network_use_count(net, i) && is_first_use(&net->graph, i))
            bytes += e2b_shape_count(&constant->shape) * (int64_t)e2b_dtype_bytes(constant->dtype);
    }
    return bytes;
}

/* Specialise once, so that what cannot be run is refused here, and learn the outputs' shapes. A
 * batch of two tells a batch dimension from a written 1. */
static enum e2b_status probe(struct e2b_model *model, struct e2b_error *err) {
    const struct e2b_graph_options options = {.batch = model->batchable ? PROBE_BATCH : 1,
        .precision = E2B_F32,
        .channel_align = 1,
        .image = {.input = -1}};
    struct e2b_network *net;
    if (e2b_specialise(model, &options, &net, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < net->graph.output_count; i++) {
        const struct e2b_tensor *tensor = &net->graph.values[net->graph.outputs[i]].tensor;
        model->outputs[i].dtype = tensor->dtype;
        model->outputs[i].shape = tensor->shape;
        if (model->batchable)
            model->outputs[i].shape.dims[0] = -1;
    }
    model->weight_bytes = count_weights(net);
    e2b_network_destroy(net);
    return E2B_OK;
}

enum e2b_status e2b_error_one_line(struct e2b_error *err) {
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return err->status;
}

static struct e2b_model *create(struct e2b_error *err) {
    struct e2b_model *model = calloc(1, sizeof *model);
    if (model)
        model->constants = e2b_constants_create();
    if (model && model->constants)
        model->net = e2b_network_create(model->constants);
    if (model && model->net)
        return model;
    e2b_model_destroy(model);
    e2b_fail_memory(err, "a model");
    return NULL;
}

static enum e2b_status finish(
    struct e2b_model *model, struct e2b_model **out, struct e2b_error *err) {
    if (err->status != E2B_OK) {
        e2b_model_destroy(model);
        return e2b_error_one_line(err);
    }
    *out = model;
    return E2B_OK;
}

enum e2b_status e2b_model_parse(const void *bytes, size_t count, const char *folder,
    struct e2b_model **out, struct e2b_error *err) {
    const struct e2b_onnx_place place = {.folder = folder};
    struct e2b_model *model = create(err);
    if (model && e2b_onnx_read(model, bytes, count, &place, err) == E2B_OK)
        probe(model, err);
    return finish(model, out, err);
}

/* The message without the weights, so that these are read only when they are needed. */
static enum e2b_status read_slim(const char *path, const struct e2b_weight_file *weights,
    struct e2b_text *out, struct e2b_error *err) {
    struct e2b_file file;
    if (e2b_file_map(path, &file, err) != E2B_OK)
        return err->status;
    if ((int64_t)file.bytes != weights->version.bytes)
        e2b_fail(err, E2B_IO, "%s: the file was changed while it was in use", path);
    else
        e2b_onnx_slim(file.data, file.bytes, LARGE_BYTES, out, err);
    e2b_file_unmap(&file);
    return err->status;
}

static enum e2b_status load(struct e2b_model *model, const char *path, struct e2b_error *err) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    struct e2b_onnx_place place = {.folder = folder};
    struct e2b_text slim = {0};
    if (!folder)
        e2b_fail_memory(err, "a path");
    else if (e2b_constants_file(model->constants, path, &place.file, err) == E2B_OK
        && read_slim(path, place.file, &slim, err) == E2B_OK
        && e2b_onnx_read(model, slim.data, slim.len, &place, err) == E2B_OK)
        probe(model, err);
    e2b_text_finish(&slim);
    free(folder);
    return err->status;
}

enum e2b_status e2b_model_load(const char *path, struct e2b_model **out, struct e2b_error *err) {
    struct e2b_model *model = create(err);
    if (model && load(model, path, err) != E2B_OK)
        e2b_error_while(err, "loading \"%s\"", path);
    return finish(model, out, err);
}

void e2b_model_destroy(struct e2b_model *model) {
    if (!model)
        return;
    e2b_network_destroy(model->net);
    e2b_constants_destroy(model->constants);
    free(model->inputs);
    free(model->outputs);
    free(model);
}

int e2b_model_input_count(const struct e2b_model *model) {
    return model->net->graph.input_count;
}

int e2b_model_output_count(const struct e2b_model *model) {
    return model->net->graph.output_count;
}

const struct e2b_io *e2b_model_input(const struct e2b_model *model, int index) {
    return &model->inputs[index];
}

const struct e2b_io *e2b_model_output(const struct e2b_model *model, int index) {
    return &model->outputs[index];
}

bool e2b_model_is_batchable(const struct e2b_model *model) {
    return model->batchable;
}

int64_t e2b_model_weight_bytes(const struct e2b_model *model) {
    return model->weight_bytes;
}
