#include "runtime/model/onnx_read.h"

#include "runtime/model/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_OPSET 7
#define MAX_ATTRS 64

struct reader {
    struct e2b_model *model;
    struct e2b_network *net;
    const Onnx__GraphProto *graph;
    const struct e2b_onnx_place *place;
    int64_t opset;
    struct e2b_names names;
};

static bool is_default_domain(const char *domain) {
    return !domain || !*domain || !strcmp(domain, "ai.onnx");
}

static const char *text_or_empty(const char *text) {
    return text ? text : "";
}

static enum e2b_status read_opset(
    struct reader *reader, const Onnx__ModelProto *proto, struct e2b_error *err) {
    for (size_t i = 0; i < proto->n_opset_import; i++)
        if (is_default_domain(proto->opset_import[i]->domain))
            reader->opset = proto->opset_import[i]->version;
    if (reader->opset < OLDEST_OPSET)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "the model uses opset %" PRId64 " of the ONNX operators, %d or newer is supported",
            reader->opset, OLDEST_OPSET);
    return E2B_OK;
}

/* A new value under a name that must not be taken. The name is copied. -1 on failure. */
static int declare(
    struct reader *reader, const char *name, const char *what, struct e2b_error *err) {
    if (e2b_names_find(&reader->names, name) >= 0) {
        e2b_fail(err, E2B_INVALID, "%s: the name \"%s\" is given twice", what, name);
        return -1;
    }
    const char *copy = e2b_arena_copy(&reader->net->arena, name);
    if (!copy) {
        e2b_fail_memory(err, "a name");
        return -1;
    }
    int value = e2b_network_add_value(reader->net, copy, err);
    if (value >= 0 && e2b_names_add(&reader->names, copy, value, err) != E2B_OK)
        return -1;
    return value;
}

static enum e2b_status read_initializers(struct reader *reader, struct e2b_error *err) {
    for (size_t i = 0; i < reader->graph->n_initializer; i++) {
        const Onnx__TensorProto *proto = reader->graph->initializer[i];
        const char *name = text_or_empty(proto->name);
        int index = declare(reader, name, "initializers", err);
        const struct e2b_constant *constant;
        if (index < 0
            || e2b_onnx_tensor(reader->model->constants, proto, name, reader->place, &constant, err)
                != E2B_OK)
            return err->status;
        struct e2b_value *value = &reader->net->graph.values[index];
        value->constant = constant;
        value->tensor.dtype = constant->dtype;
        value->tensor.shape = constant->shape;
        e2b_tensor_set_dense(&value->tensor, 1);
    }
    return E2B_OK;
}

static enum e2b_status read_type(
    const Onnx__ValueInfoProto *info, struct e2b_io *io, struct e2b_error *err) {
    const Onnx__TensorTypeProto *type = info->type ? info->type->tensor_type : NULL;
    const char *name = text_or_empty(info->name);
    if (!type || !type->shape)
        return e2b_fail(err, E2B_UNSUPPORTED, "input \"%s\" is not a tensor of known rank", name);
    io->dtype = e2b_dtype_by_onnx(type->elem_type);
    if (io->dtype == E2B_NONE)
        return e2b_fail(err, E2B_UNSUPPORTED, "input \"%s\": ONNX element type %d is not supported",
            name, (int)type->elem_type);
    if (type->shape->n_dim > E2B_MAX_RANK)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "input \"%s\" has %zu dimensions, at most %d are supported", name, type->shape->n_dim,
            E2B_MAX_RANK);
    io->shape.rank = (int)type->shape->n_dim;
    for (int i = 0; i < io->shape.rank; i++) {
        int64_t dim = type->shape->dim[i]->has_dim_value ? type->shape->dim[i]->dim_value : -1;
        io->shape.dims[i] = dim > 0 ? dim : -1;
        if (io->shape.dims[i] < 0 && i > 0)
            return e2b_fail(err, E2B_UNSUPPORTED,
                "input \"%s\": dimension %d is free, only dimension 0 (the batch) may be: export "
                "the model with a fixed size",
                name, i);
        if (dim > INT32_MAX)
            return e2b_fail(err, E2B_INVALID,
                "input \"%s\": dimension %d is %" PRId64 ", at most %d is possible", name, i, dim,
                INT32_MAX);
    }
    return E2B_OK;
}

/* Either dimension 0 of all inputs is free or none is. */
static enum e2b_status decide_batch(struct e2b_model *model, struct e2b_error *err) {
    int free_count = 0, count = model->net->graph.input_count;
    const char *fixed = "";
    for (int i = 0; i < count; i++) {
        const struct e2b_io *io = &model->inputs[i];
        if (io->shape.rank > 0 && io->shape.dims[0] < 0)
            free_count++;
        else
            fixed = io->name;
    }
    if (free_count && free_count < count)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "input \"%s\" has a fixed dimension 0 while others have a free one: export all with a "
            "free batch or none",
            fixed);
    model->batchable = free_count > 0;
    return E2B_OK;
}

static enum e2b_status read_inputs(struct reader *reader, struct e2b_error *err) {
    struct e2b_graph *graph = &reader->net->graph;
    size_t count = reader->graph->n_input;
    reader->model->inputs = calloc(count + 1, sizeof *reader->model->inputs);
    graph->inputs = calloc(count + 1, sizeof *graph->inputs);
    if (!reader->model->inputs || !graph->inputs)
        return e2b_fail_memory(err, "a model");
    for (size_t i = 0; i < count; i++) {
        const Onnx__ValueInfoProto *info = reader->graph->input[i];
        const char *name = text_or_empty(info->name);
        int known = e2b_names_find(&reader->names, name);
        if (known >= 0 && graph->values[known].constant)
            continue;
        int value = declare(reader, name, "inputs", err);
        if (value < 0)
            return err->status;
        if (graph->input_count == E2B_MAX_INPUTS)
            return e2b_fail(
                err, E2B_UNSUPPORTED, "the model has more than %d inputs", E2B_MAX_INPUTS);
        struct e2b_io *io = &reader->model->inputs[graph->input_count];
        if (read_type(info, io, err) != E2B_OK)
            return err->status;
        io->name = graph->values[value].name;
        graph->inputs[graph->input_count++] = value;
    }
    if (graph->input_count == 0)
        return e2b_fail(err, E2B_INVALID, "the model has no input");
    return decide_batch(reader->model, err);
}

static enum e2b_status read_outputs(struct reader *reader, struct e2b_error *err) {
    struct e2b_graph *graph = &reader->net->graph;
    size_t count = reader->graph->n_output;
    if (count == 0 || count > E2B_MAX_OUTPUTS)
        return e2b_fail(err, E2B_UNSUPPORTED, "the model has %zu outputs, 1..%d are supported",
            count, E2B_MAX_OUTPUTS);
    reader->model->outputs = calloc(count, sizeof *reader->model->outputs);
    graph->outputs = calloc(count, sizeof *graph->outputs);
    if (!reader->model->outputs || !graph->outputs)
        return e2b_fail_memory(err, "a model");
    for (size_t i = 0; i < count; i++) {
        const char *name = text_or_empty(reader->graph->output[i]->name);
        int value = e2b_names_find(&reader->names, name);
        if (value < 0)
            return e2b_fail(err, E2B_INVALID, "output \"%s\" is produced by no node", name);
        reader->model->outputs[i].name = graph->values[value].name;
        graph->outputs[graph->output_count++] = value;
    }
    return E2B_OK;
}

static enum e2b_status read_attr(struct reader *reader, const char *node,
    const Onnx__AttributeProto *proto, struct e2b_attr *attr, struct e2b_error *err) {
    enum { FLOAT = 1, INT = 2, STRING = 3, TENSOR = 4, FLOATS = 6, INTS = 7 };
    *attr = (struct e2b_attr){.name = text_or_empty(proto->name), .kind = E2B_ATTR_OTHER};
    switch (proto->type) {
    case FLOAT:
        attr->kind = E2B_ATTR_FLOAT;
        attr->f = proto->f;
        break;
    case INT:
        attr->kind = E2B_ATTR_INT;
        attr->i = proto->i;
        break;
    case STRING: {
        char *text = e2b_arena_alloc(&reader->net->arena, proto->s.len + 1);
        if (!text)
            return e2b_fail_memory(err, "an attribute");
        if (proto->s.len)
            memcpy(text, proto->s.data, proto->s.len);
        attr->kind = E2B_ATTR_STRING;
        attr->s = text;
        break;
    }
    case TENSOR:
        attr->kind = E2B_ATTR_TENSOR;
        if (!proto->t)
            return e2b_fail(
                err, E2B_INVALID, "node \"%s\": attribute \"%s\" has no tensor", node, attr->name);
        return e2b_onnx_tensor(
            reader->model->constants, proto->t, node, reader->place, &attr->tensor, err);
    case FLOATS:
        attr->kind = E2B_ATTR_FLOATS;
        attr->floats = proto->floats;
        attr->count = proto->n_floats;
        break;
    case INTS:
        attr->kind = E2B_ATTR_INTS;
        attr->ints = proto->ints;
        attr->count = proto->n_ints;
        break;
    default:
        break;
    }
    return E2B_OK;
}

static const char *node_name(const Onnx__NodeProto *proto) {
    if (proto->name && *proto->name)
        return proto->name;
    return proto->n_output ? text_or_empty(proto->output[0]) : "";
}

static enum e2b_status find_op(struct reader *reader, const Onnx__NodeProto *proto,
    const struct e2b_op **op, struct e2b_error *err) {
    const char *name = node_name(proto), *type = text_or_empty(proto->op_type);
    bool ours = is_default_domain(proto->domain);
    *op = ours ? e2b_op_for_onnx(type) : NULL;
    if (!*op)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "node \"%s\": operator \"%s%s%s\" (opset %" PRId64 ") is not supported", name,
            ours ? "" : proto->domain, ours ? "" : ".", type, reader->opset);
    if (proto->n_input > E2B_MAX_INPUTS || proto->n_output > E2B_MAX_OUTPUTS || proto->n_output == 0
        || proto->n_attribute > MAX_ATTRS)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "node \"%s\" (%s): %zu inputs, %zu outputs, %zu attributes; at most %d, 1..%d and %d "
            "are supported",
            name, type, proto->n_input, proto->n_output, proto->n_attribute, E2B_MAX_INPUTS,
            E2B_MAX_OUTPUTS, MAX_ATTRS);
    return E2B_OK;
}

static enum e2b_status add_node(struct reader *reader, const Onnx__NodeProto *proto,
    const struct e2b_op *op, struct e2b_error *err) {
    const char *name = e2b_arena_copy(&reader->net->arena, node_name(proto));
    if (!name)
        return e2b_fail_memory(err, "a name");
    int node =
        e2b_network_add_node(reader->net, op, name, (int)proto->n_input, (int)proto->n_output, err);
    if (node < 0)
        return err->status;
    reader->net->graph.nodes[node].opset = reader->opset;
    for (size_t i = 0; i < proto->n_output; i++) {
        const char *output = text_or_empty(proto->output[i]);
        int value = *output ? declare(reader, output, "node outputs", err)
                            : e2b_network_add_value(reader->net, "", err);
        if (value < 0)
            return err->status;
        e2b_network_set_output(reader->net, node, (int)i, value);
    }
    return E2B_OK;
}

static enum e2b_status connect(struct reader *reader, const Onnx__NodeProto *proto,
    struct e2b_node *node, struct e2b_error *err) {
    for (size_t i = 0; i < proto->n_input; i++) {
        const char *input = text_or_empty(proto->input[i]);
        if (!*input)
            continue;
        node->inputs[i] = e2b_names_find(&reader->names, input);
        if (node->inputs[i] < 0)
            return e2b_fail(err, E2B_INVALID,
                "node \"%s\" (%s): input \"%s\" is neither an input, a weight nor another node's "
                "output",
                node->name, text_or_empty(proto->op_type), input);
    }
    return E2B_OK;
}

static enum e2b_status import(struct reader *reader, const Onnx__NodeProto *proto,
    struct e2b_node *node, struct e2b_error *err) {
    struct e2b_attr attrs[MAX_ATTRS];
    for (size_t i = 0; i < proto->n_attribute; i++)
        if (read_attr(reader, node->name, proto->attribute[i], &attrs[i], err) != E2B_OK)
            return err->status;
    const struct e2b_onnx_node view = {
        .name = node->name,
        .type = proto->op_type,
        .opset = reader->opset,
        .input_count = node->input_count,
        .output_count = node->output_count,
        .attrs = attrs,
        .attr_count = (int)proto->n_attribute,
    };
    if (node->op->import)
        node->op->import(&view, node->params, err);
    return err->status;
}

static enum e2b_status read_nodes(struct reader *reader, struct e2b_error *err) {
    const Onnx__GraphProto *graph = reader->graph;
    for (size_t i = 0; i < graph->n_node; i++) {
        const struct e2b_op *op;
        if (find_op(reader, graph->node[i], &op, err) != E2B_OK
            || add_node(reader, graph->node[i], op, err) != E2B_OK)
            return err->status;
    }
    for (size_t i = 0; i < graph->n_node; i++) {
        struct e2b_node *node = &reader->net->graph.nodes[i];
        if (connect(reader, graph->node[i], node, err) != E2B_OK
            || import(reader, graph->node[i], node, err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

enum e2b_status e2b_onnx_read(struct e2b_model *model, const void *bytes, size_t count,
    const struct e2b_onnx_place *place, struct e2b_error *err) {
    Onnx__ModelProto *proto = onnx__model_proto__unpack(NULL, count, bytes);
    if (!proto || !proto->graph) {
        if (proto)
            onnx__model_proto__free_unpacked(proto, NULL);
        return e2b_fail(err, E2B_INVALID, "not an ONNX model, or cut off (%zu bytes)", count);
    }
    struct reader reader = {
        .model = model, .net = model->net, .graph = proto->graph, .place = place};
    if (read_opset(&reader, proto, err) == E2B_OK && read_initializers(&reader, err) == E2B_OK
        && read_inputs(&reader, err) == E2B_OK && read_nodes(&reader, err) == E2B_OK
        && read_outputs(&reader, err) == E2B_OK)
        e2b_network_tidy(model->net, err);
    e2b_names_finish(&reader.names);
    onnx__model_proto__free_unpacked(proto, NULL);
    return err->status;
}
