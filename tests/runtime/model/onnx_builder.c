#include "tests/runtime/model/onnx_builder.h"

#include "runtime/model/arena.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

struct e2b_builder {
    struct e2b_arena arena;
    Onnx__ModelProto *proto;
};

void *e2b_builder_alloc(struct e2b_builder *builder, size_t bytes) {
    void *memory = e2b_arena_alloc(&builder->arena, bytes + 1);
    assert_non_null(memory);
    return memory;
}

static char *copy(struct e2b_builder *builder, const char *text) {
    char *made = e2b_arena_copy(&builder->arena, text);
    assert_non_null(made);
    return made;
}

#define NEW(builder, type, name)                                                                   \
    type *name = e2b_builder_alloc(builder, sizeof(type));                                         \
    INIT_##type(name)
#define INIT_Onnx__ModelProto(p) onnx__model_proto__init(p)
#define INIT_Onnx__GraphProto(p) onnx__graph_proto__init(p)
#define INIT_Onnx__NodeProto(p) onnx__node_proto__init(p)
#define INIT_Onnx__TensorProto(p) onnx__tensor_proto__init(p)
#define INIT_Onnx__AttributeProto(p) onnx__attribute_proto__init(p)
#define INIT_Onnx__ValueInfoProto(p) onnx__value_info_proto__init(p)
#define INIT_Onnx__TypeProto(p) onnx__type_proto__init(p)
#define INIT_Onnx__TensorTypeProto(p) onnx__tensor_type_proto__init(p)
#define INIT_Onnx__ShapeProto(p) onnx__shape_proto__init(p)
#define INIT_Onnx__DimensionProto(p) onnx__dimension_proto__init(p)
#define INIT_Onnx__OperatorSetIdProto(p) onnx__operator_set_id_proto__init(p)

/* Append a pointer to a list of the proto; the old list stays in the arena. */
static void *append(struct e2b_builder *builder, void *list, size_t *count, void *item) {
    void **grown = e2b_builder_alloc(builder, (*count + 1) * sizeof *grown);
    if (*count)
        memcpy(grown, list, *count * sizeof *grown);
    grown[(*count)++] = item;
    return grown;
}
#define APPEND(builder, owner, field, item)                                                        \
    ((owner)->field = append(builder, (owner)->field, &(owner)->n_##field, item))

struct e2b_builder *e2b_builder_create(int64_t opset) {
    struct e2b_builder *builder = calloc(1, sizeof *builder);
    assert_non_null(builder);
    NEW(builder, Onnx__ModelProto, model);
    NEW(builder, Onnx__GraphProto, graph);
    NEW(builder, Onnx__OperatorSetIdProto, set);
    set->has_version = true;
    set->version = opset;
    APPEND(builder, model, opset_import, set);
    model->graph = graph;
    builder->proto = model;
    return builder;
}

void e2b_builder_destroy(struct e2b_builder *builder) {
    e2b_arena_finish(&builder->arena);
    free(builder);
}

Onnx__ModelProto *e2b_builder_proto(struct e2b_builder *builder) {
    return builder->proto;
}

static int onnx_code(enum e2b_dtype dtype) {
    int code = 0;
    while (e2b_dtype_by_onnx(code) != dtype)
        code++;
    return code;
}

static Onnx__ValueInfoProto *info(struct e2b_builder *builder, const char *name) {
    NEW(builder, Onnx__ValueInfoProto, made);
    made->name = copy(builder, name);
    return made;
}

void e2b_builder_input(struct e2b_builder *builder, const char *name, enum e2b_dtype dtype,
    const struct e2b_shape *shape) {
    Onnx__ValueInfoProto *input = info(builder, name);
    NEW(builder, Onnx__TypeProto, type);
    NEW(builder, Onnx__TensorTypeProto, tensor);
    NEW(builder, Onnx__ShapeProto, dims);
    for (int i = 0; i < shape->rank; i++) {
        NEW(builder, Onnx__DimensionProto, dim);
        dim->has_dim_value = shape->dims[i] >= 0;
        dim->dim_value = shape->dims[i];
        dim->dim_param = shape->dims[i] < 0 ? copy(builder, "N") : NULL;
        APPEND(builder, dims, dim, dim);
    }
    tensor->has_elem_type = true;
    tensor->elem_type = onnx_code(dtype);
    tensor->shape = dims;
    type->tensor_type = tensor;
    input->type = type;
    APPEND(builder, builder->proto->graph, input, input);
}

void e2b_builder_output(struct e2b_builder *builder, const char *name) {
    APPEND(builder, builder->proto->graph, output, info(builder, name));
}

Onnx__TensorProto *e2b_builder_tensor(
    struct e2b_builder *builder, int type, const struct e2b_shape *shape) {
    NEW(builder, Onnx__TensorProto, tensor);
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->n_dims = (size_t)shape->rank;
    tensor->dims = e2b_builder_alloc(builder, sizeof shape->dims);
    memcpy(tensor->dims, shape->dims, sizeof shape->dims);
    return tensor;
}

static void add_initializer(
    struct e2b_builder *builder, const char *name, Onnx__TensorProto *tensor) {
    tensor->name = copy(builder, name);
    APPEND(builder, builder->proto->graph, initializer, tensor);
}

void e2b_builder_floats(struct e2b_builder *builder, const char *name,
    const struct e2b_shape *shape, const float *values) {
    Onnx__TensorProto *tensor = e2b_builder_tensor(builder, 1, shape);
    size_t count = (size_t)e2b_shape_count(shape);
    float *data = e2b_builder_alloc(builder, count * sizeof *data);
    uint64_t state = e2b_hash(E2B_HASH_START, name, strlen(name));
    for (size_t i = 0; i < count; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        data[i] = values ? values[i] : (float)(state >> 40) / (float)(1 << 23) - 1.0f;
    }
    tensor->has_raw_data = true;
    tensor->raw_data.data = (uint8_t *)data;
    tensor->raw_data.len = count * sizeof *data;
    add_initializer(builder, name, tensor);
}

void e2b_builder_scalar(struct e2b_builder *builder, const char *name, float value) {
    e2b_builder_floats(builder, name, E2B_SCALAR, &value);
}

void e2b_builder_ints(
    struct e2b_builder *builder, const char *name, int count, const int64_t *values) {
    Onnx__TensorProto *tensor = e2b_builder_tensor(builder, 7, E2B_SHAPE(count));
    tensor->n_int64_data = (size_t)count;
    tensor->int64_data = e2b_builder_alloc(builder, (size_t)count * sizeof *values);
    memcpy(tensor->int64_data, values, (size_t)count * sizeof *values);
    add_initializer(builder, name, tensor);
}

static char **split(struct e2b_builder *builder, const char *list, size_t *count) {
    char **parts = NULL;
    *count = 0;
    for (const char *from = list; from; from = strchr(from, ',')) {
        from += *from == ',';
        char *part = e2b_builder_alloc(builder, strcspn(from, ","));
        memcpy(part, from, strcspn(from, ","));
        parts = append(builder, parts, count, part);
    }
    return parts;
}

Onnx__NodeProto *e2b_builder_node(
    struct e2b_builder *builder, const char *type, const char *inputs, const char *outputs) {
    NEW(builder, Onnx__NodeProto, node);
    node->op_type = copy(builder, type);
    node->output = split(builder, outputs, &node->n_output);
    if (*inputs)
        node->input = split(builder, inputs, &node->n_input);
    APPEND(builder, builder->proto->graph, node, node);
    return node;
}

static Onnx__AttributeProto *add_attr(
    struct e2b_builder *builder, Onnx__NodeProto *node, const char *name, int type) {
    NEW(builder, Onnx__AttributeProto, attr);
    attr->name = copy(builder, name);
    attr->has_type = true;
    attr->type = type;
    APPEND(builder, node, attribute, attr);
    return attr;
}

void e2b_builder_attr_int(
    struct e2b_builder *builder, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *attr = add_attr(builder, node, name, 2);
    attr->has_i = true;
    attr->i = value;
}

void e2b_builder_attr_float(
    struct e2b_builder *builder, Onnx__NodeProto *node, const char *name, float value) {
    Onnx__AttributeProto *attr = add_attr(builder, node, name, 1);
    attr->has_f = true;
    attr->f = value;
}

void e2b_builder_attr_ints(struct e2b_builder *builder, Onnx__NodeProto *node, const char *name,
    int count, const int64_t *values) {
    Onnx__AttributeProto *attr = add_attr(builder, node, name, 7);
    attr->n_ints = (size_t)count;
    attr->ints = e2b_builder_alloc(builder, (size_t)count * sizeof *values);
    memcpy(attr->ints, values, (size_t)count * sizeof *values);
}

unsigned char *e2b_builder_pack(struct e2b_builder *builder, size_t *count) {
    *count = onnx__model_proto__get_packed_size(builder->proto);
    unsigned char *bytes = malloc(*count + 1);
    assert_non_null(bytes);
    onnx__model_proto__pack(builder->proto, bytes);
    return bytes;
}

enum e2b_status e2b_builder_parse(
    struct e2b_builder *builder, struct e2b_model **out, struct e2b_error *err) {
    size_t count;
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    e2b_model_parse(bytes, count, NULL, out, err);
    free(bytes);
    return err->status;
}

struct e2b_model *e2b_builder_model(struct e2b_builder *builder) {
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    assert_ok(e2b_builder_parse(builder, &model, &err), err);
    e2b_builder_destroy(builder);
    return model;
}
