/* Writes small ONNX files for tests. Everything is freed with the builder; running out of memory
 * fails the test. */
#ifndef E2B_TESTS_ONNX_BUILDER_H
#define E2B_TESTS_ONNX_BUILDER_H

#include "onnx.pb-c.h"
#include "runtime/model/graph.h"

struct e2b_builder;

#define E2B_SHAPE(...)                                                                             \
    (&(const struct e2b_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define E2B_SCALAR (&(const struct e2b_shape){0})

struct e2b_builder *e2b_builder_create(int64_t opset);
void e2b_builder_destroy(struct e2b_builder *builder);
Onnx__ModelProto *e2b_builder_proto(struct e2b_builder *builder); /* to break things by hand */

/* Dimension -1 is written as a named, free one. */
void e2b_builder_input(struct e2b_builder *builder, const char *name, enum e2b_dtype dtype,
    const struct e2b_shape *shape);
void e2b_builder_output(struct e2b_builder *builder, const char *name);

/* Initializers. values NULL: numbers in -1..1 that depend on name and index. */
void e2b_builder_floats(struct e2b_builder *builder, const char *name,
    const struct e2b_shape *shape, const float *values);
void e2b_builder_scalar(struct e2b_builder *builder, const char *name, float value);
void e2b_builder_ints(
    struct e2b_builder *builder, const char *name, int count, const int64_t *values);
/* The same as a tensor, for attributes and direct use. */
Onnx__TensorProto *e2b_builder_tensor(
    struct e2b_builder *builder, int type, const struct e2b_shape *shape);
void *e2b_builder_alloc(struct e2b_builder *builder, size_t bytes);

/* inputs and outputs are lists, "x,w,b"; an empty name is an absent operand. */
Onnx__NodeProto *e2b_builder_node(
    struct e2b_builder *builder, const char *type, const char *inputs, const char *outputs);
void e2b_builder_attr_int(
    struct e2b_builder *builder, Onnx__NodeProto *node, const char *name, int64_t value);
void e2b_builder_attr_float(
    struct e2b_builder *builder, Onnx__NodeProto *node, const char *name, float value);
void e2b_builder_attr_ints(struct e2b_builder *builder, Onnx__NodeProto *node, const char *name,
    int count, const int64_t *values);

/* The file's bytes, malloc'ed. */
unsigned char *e2b_builder_pack(struct e2b_builder *builder, size_t *count);
/* Parse what was built. */
enum e2b_status e2b_builder_parse(
    struct e2b_builder *builder, struct e2b_model **out, struct e2b_error *err);
/* The same, failing the test if it is refused; destroys the builder. */
struct e2b_model *e2b_builder_model(struct e2b_builder *builder);

#endif
