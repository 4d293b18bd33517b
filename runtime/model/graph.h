/* A network as values and nodes. A model is what the file says; a graph is a model made ready for
 * one batch size, precision and device: every shape a number, every node an operator with kernels,
 * and for every value where it lies. Graphs point into the model's constants and die before it. */
#ifndef E2B_MODEL_GRAPH_H
#define E2B_MODEL_GRAPH_H

#include "kernels/op.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct e2b_model;

/* A declared input or output. Dimension -1 is free; only dimension 0, the batch, may stay so. */
struct e2b_io {
    const char *name;
    enum e2b_dtype dtype;
    struct e2b_shape shape; /* as declared: batch dimension included */
};

/* Values and nodes are indices into arrays, so that graphs copy cheaply. */
struct e2b_value {
    const char *name;
    struct e2b_tensor tensor;
    const struct e2b_constant *constant; /* not NULL: known on the host, has no storage */
    int producer;                        /* node, -1 for inputs and constants */
    int storage;                         /* index into storages, -1 if it needs none */
    int64_t offset;                      /* elements from the storage's start */
};

struct e2b_node {
    const struct e2b_op *op;
    const char *name;
    int64_t opset;
    void *params;
    int input_count, output_count;
    int *inputs; /* values; -1 is an absent optional input */
    int *outputs;
};

/* A block of device memory that one or more values (views, slices of a concat) share. */
struct e2b_storage {
    enum e2b_storage_kind { E2B_STORAGE_ARENA, E2B_STORAGE_INPUT, E2B_STORAGE_OUTPUT } kind;
    int index;           /* of the graph input or output */
    int64_t bytes;       /* INPUT, OUTPUT: of all samples, slot padding included */
    int64_t slot_stride; /* INPUT, OUTPUT: elements from one slot to the next */
    int first, last;     /* nodes between which it holds data, inclusive */
};

struct e2b_graph {
    const struct e2b_model *model;
    int batch;
    enum e2b_dtype precision; /* of activations inside: E2B_F32 or E2B_F16 */
    struct e2b_value *values;
    int value_count;
    struct e2b_node *nodes; /* in an order that respects dependencies */
    int node_count;
    int *inputs, *outputs; /* values */
    int input_count, output_count;
    struct e2b_storage *storages;
    int storage_count;
};

/* A raw uint8 image (N,H,W,3) in place of a float input (N,3,H,W): the device computes
 * (x - mean[c]) * scale[c]. */
struct e2b_image_input {
    int input; /* -1: none */
    float mean[4], scale[4];
};

/* How far to prepare a graph. Only a placed one can run on a device. */
enum e2b_graph_stage {
    E2B_GRAPH_PLACED, /* precision, layout and storage are chosen */
    E2B_GRAPH_FUSED,  /* nodes are merged */
    E2B_GRAPH_FOLDED, /* as the file says, with numbers for shapes and what is constant computed */
};

struct e2b_graph_options {
    int batch;
    enum e2b_dtype precision;
    int channel_align;
    const struct e2b_traits *traits; /* whose variants are asked what they can; NULL: none are */
    bool sums_rows;    /* products have fast variants that tell and take sums of rows */
    bool joins_blocks; /* inverted residuals and bottlenecks have fast variants that are one launch */
    bool core_caches;  /* a work-item has a cache to itself: nodes that can share it are merged */
    /* Elements from one slot to the next in each input and output (slots are padded); NULL or 0:
     * dense. A slot holds one sample, or, of a model whose batch is fixed, the whole tensor. Arrays
     * as long as the model's inputs and outputs. */
    const int64_t *input_stride, *output_stride;
    struct e2b_image_input image;
    enum e2b_graph_stage stage;
};

/* Read an ONNX file. Refuses, naming node and operator, whatever cannot be run. Large weights stay
 * in the file and are read when a device needs them, so that the host keeps no copy: the file must
 * stay as it is until the last plan was made; if it was changed, making a plan fails. Weights
 * stored beside the file (external data) are read from its folder only. parse: the bytes are not
 * needed afterwards, but external data is. */
enum e2b_status e2b_model_load(const char *path, struct e2b_model **out, struct e2b_error *err);
enum e2b_status e2b_model_parse(const void *bytes, size_t count, const char *folder,
    struct e2b_model **out, struct e2b_error *err);
void e2b_model_destroy(struct e2b_model *model);

int e2b_model_input_count(const struct e2b_model *model);
int e2b_model_output_count(const struct e2b_model *model);
const struct e2b_io *e2b_model_input(const struct e2b_model *model, int index);
const struct e2b_io *e2b_model_output(const struct e2b_model *model, int index);
bool e2b_model_is_batchable(const struct e2b_model *model); /* dimension 0 of every input is free */
int64_t e2b_model_weight_bytes(const struct e2b_model *model);

/* Specialise: bind the batch, infer shapes, fold constants, fuse, choose precision and layout,
 * share storage (views, concat in place). Constants derived here are kept in the model's store and
 * shared by later calls. One thread at a time a model. */
enum e2b_status e2b_graph_create(struct e2b_model *model, const struct e2b_graph_options *options,
    struct e2b_graph **out, struct e2b_error *err);
void e2b_graph_destroy(struct e2b_graph *graph);

/* Run the graph on the host by the operators' references, in double precision. inputs and outputs
 * are dense row-major doubles. For tests and for trusting a device. */
enum e2b_status e2b_graph_reference(const struct e2b_graph *graph, const double *const *inputs,
    double *const *outputs, struct e2b_error *err);

/* The call that describes a node; operand arrays hold E2B_MAX_INPUTS and E2B_MAX_OUTPUTS. */
void e2b_graph_call(const struct e2b_graph *graph, int node, struct e2b_operand *inputs,
    struct e2b_operand *outputs, struct e2b_call *out);

double e2b_graph_flops(const struct e2b_graph *graph);
/* A table of nodes with shapes, one a line. */
void e2b_graph_print(const struct e2b_graph *graph, struct e2b_text *out);

#endif
