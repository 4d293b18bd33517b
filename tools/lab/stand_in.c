#include "tools/lab/stand_in.h"

#include "backends/sim/sim.h"
#include "onnx.pb-c.h"
#include "tools/lab/random.h"

#include <stdio.h>
#include <stdlib.h>

#define LONGEST_INPUT 4096 /* floats */
#define OPSET 17           /* the last whose ReduceMean has its axes as an attribute */
#define LAUNCHES 8         /* of a batch, alike */

struct e2b_lab_stand_in {
    struct e2b_lab_table table;
    int length[E2B_LAB_MAX_MODELS]; /* floats of an input; a different number for each model */
    struct e2b_device *device;
    struct e2b_lab_random stalls;
};

/* The arguments of kernels/reduce for a mean over all but the first dimension. */
enum { IN, IN_OFFSET, OUT, OUT_OFFSET, ROWS, INNER, COUNT, KEPT, OUT_STRIDE, IN_STRIDE };

static int batch_of(const struct e2b_sim_args *args) {
    return e2b_sim_int(args, ROWS) * e2b_sim_int(args, INNER);
}

static const struct e2b_lab_timing *timing_of(
    const struct e2b_lab_stand_in *stand_in, const struct e2b_sim_args *args, int *size_index) {
    int model = 0, size = 0, batch = batch_of(args), length = e2b_sim_int(args, COUNT);
    while (model < stand_in->table.count - 1 && stand_in->length[model] != length)
        model++;
    const struct e2b_lab_timing *timing = &stand_in->table.models[model];
    while (size < timing->size_count - 1 && timing->sizes[size] < batch)
        size++;
    *size_index = size;
    return timing;
}

static int64_t enqueue_cost(void *context, const struct e2b_sim_args *args) {
    int size;
    const struct e2b_lab_timing *timing = timing_of(context, args, &size);
    return timing->host_ns[size] / LAUNCHES;
}

/* One launch stalls for as long as its batch takes. */
static int64_t cost(void *context, const struct e2b_sim_args *args) {
    struct e2b_lab_stand_in *stand_in = context;
    int size;
    const struct e2b_lab_timing *timing = timing_of(stand_in, args, &size);
    bool stalls =
        e2b_lab_random_uniform(&stand_in->stalls) < stand_in->table.stall_share / LAUNCHES;
    return timing->solo_ns[size] / LAUNCHES + (stalls ? timing->solo_ns[size] : 0)
        + (args->running > 0 ? stand_in->table.beside_ns / LAUNCHES : 0);
}

static double demand(void *context, const struct e2b_sim_args *args) {
    int size;
    const struct e2b_lab_timing *timing = timing_of(context, args, &size);
    return timing->demand[size];
}

static void mean(void *context, const struct e2b_sim_args *args) {
    const float *in = (const float *)args->list[IN].buffer + e2b_sim_int(args, IN_OFFSET);
    float *out = (float *)args->list[OUT].buffer + e2b_sim_int(args, OUT_OFFSET);
    int count = e2b_sim_int(args, COUNT), batch = batch_of(args);
    (void)context;
    for (int sample = 0; sample < batch; sample++) {
        const float *x = in + sample * e2b_sim_int(args, IN_STRIDE);
        float sum = 0;
        for (int i = 0; i < count; i++)
            sum += x[i];
        out[sample * e2b_sim_int(args, OUT_STRIDE)] = sum / (float)count;
    }
}

static bool is_taken(const struct e2b_lab_stand_in *stand_in, int count, int length) {
    for (int i = 0; i < count; i++)
        if (stand_in->length[i] == length)
            return true;
    return false;
}

/* What a copy takes before its first byte, and the time of one float after that. */
static void fit_copies(struct e2b_lab_stand_in *stand_in, int64_t *copy_ns, double *float_ns) {
    const struct e2b_lab_table *table = &stand_in->table;
    int64_t longest_ns = 0;
    *copy_ns = INT64_MAX;
    for (int i = 0; i < table->count; i++) {
        const struct e2b_lab_timing *timing = &table->models[i];
        int64_t least_ns =
            timing->download_ns < timing->upload_ns ? timing->download_ns : timing->upload_ns;
        *copy_ns = least_ns < *copy_ns ? least_ns : *copy_ns;
        longest_ns = timing->upload_ns > longest_ns ? timing->upload_ns : longest_ns;
    }
    *float_ns = (double)(longest_ns - *copy_ns) / LONGEST_INPUT;
    for (int i = 0; i < table->count; i++) {
        double wanted =
            *float_ns > 0 ? (double)(table->models[i].upload_ns - *copy_ns) / *float_ns : 1;
        int length = wanted < 2 ? 2 : (int)wanted;
        while (is_taken(stand_in, i, length))
            length++;
        stand_in->length[i] = length;
    }
}

enum e2b_status e2b_lab_stand_in_create(
    const struct e2b_lab_table *table, struct e2b_lab_stand_in **out, struct e2b_error *err) {
    struct e2b_lab_stand_in *stand_in = calloc(1, sizeof *stand_in);
    if (!stand_in)
        return e2b_fail_memory(err, "a simulated device");
    stand_in->table = *table;
    stand_in->stalls = e2b_lab_random_make(0, "stalls");
    const struct e2b_sim_kernel kernel = {.run = mean,
        .cost = cost,
        .demand = demand,
        .enqueue_cost = enqueue_cost,
        .context = stand_in};
    struct e2b_sim_kernel kernels[] = {kernel, kernel, kernel};
    kernels[0].name = "reduce_group";
    kernels[1].name = "reduce_rows";
    kernels[2].name = "reduce_columns";
    struct e2b_sim_options options = {
        .kernels = kernels, .kernel_count = 3, .copy_enqueue_ns = table->copy_host_ns};
    double float_ns;
    fit_copies(stand_in, &options.copy_ns, &float_ns);
    options.copy_bytes_per_ns = float_ns > 0 ? sizeof(float) / float_ns : 0;
    if (e2b_sim_create(&options, &stand_in->device, err) != E2B_OK) {
        free(stand_in);
        return err->status;
    }
    *out = stand_in;
    return E2B_OK;
}

void e2b_lab_stand_in_destroy(struct e2b_lab_stand_in *stand_in) {
    if (!stand_in)
        return;
    stand_in->device->ops->destroy(stand_in->device);
    free(stand_in);
}

struct e2b_device *e2b_lab_stand_in_device(struct e2b_lab_stand_in *stand_in) {
    return stand_in->device;
}

/* An ONNX file's parts, tied together in the caller's frame. */
struct file {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto set;
    Onnx__NodeProto means[LAUNCHES], concat;
    Onnx__AttributeProto axes, axis;
    char names[LAUNCHES][4];
    char *mean_outputs[LAUNCHES];
    Onnx__ValueInfoProto input, output;
    Onnx__TypeProto type;
    Onnx__TensorTypeProto tensor;
    Onnx__ShapeProto shape;
    Onnx__DimensionProto batch, length;
};

static void init(struct file *file) {
    onnx__model_proto__init(&file->model);
    onnx__graph_proto__init(&file->graph);
    onnx__operator_set_id_proto__init(&file->set);
    onnx__node_proto__init(&file->concat);
    onnx__attribute_proto__init(&file->axes);
    onnx__attribute_proto__init(&file->axis);
    onnx__value_info_proto__init(&file->input);
    onnx__value_info_proto__init(&file->output);
    onnx__type_proto__init(&file->type);
    onnx__tensor_type_proto__init(&file->tensor);
    onnx__shape_proto__init(&file->shape);
    onnx__dimension_proto__init(&file->batch);
    onnx__dimension_proto__init(&file->length);
}

#define LIST(owner, field, list)                                                                   \
    (owner.n_##field = sizeof(list) / sizeof *(list), owner.field = list)

/* y = Concat(ReduceMean(x, axes = [1]), ...), x of shape N, length. */
enum e2b_status e2b_lab_stand_in_model(const struct e2b_lab_stand_in *stand_in, int index,
    struct e2b_model **out, struct e2b_error *err) {
    struct file file;
    char x[] = "x", y[] = "y", free_dimension[] = "N", mean[] = "ReduceMean", axes[] = "axes";
    char concat[] = "Concat", axis[] = "axis";
    char *inputs[] = {x}, *outputs[] = {y};
    int64_t second = 1;
    Onnx__OperatorSetIdProto *sets[] = {&file.set};
    Onnx__NodeProto *nodes[LAUNCHES + 1];
    Onnx__AttributeProto *mean_attributes[] = {&file.axes}, *concat_attributes[] = {&file.axis};
    Onnx__ValueInfoProto *graph_inputs[] = {&file.input}, *graph_outputs[] = {&file.output};
    Onnx__DimensionProto *dims[] = {&file.batch, &file.length};
    init(&file);
    file.set.has_version = true, file.set.version = OPSET;
    file.batch.dim_param = free_dimension;
    file.length.has_dim_value = true, file.length.dim_value = stand_in->length[index];
    LIST(file.shape, dim, dims);
    file.tensor.has_elem_type = true, file.tensor.elem_type = 1;
    file.tensor.shape = &file.shape;
    file.type.tensor_type = &file.tensor;
    file.input.name = x, file.input.type = &file.type;
    file.output.name = y;
    file.axes.name = axes, file.axes.has_type = true, file.axes.type = 7;
    file.axes.n_ints = 1, file.axes.ints = &second;
    file.axis.name = axis, file.axis.has_type = true, file.axis.type = 2;
    file.axis.has_i = true, file.axis.i = second;
    for (int i = 0; i < LAUNCHES; i++) {
        Onnx__NodeProto *node = nodes[i] = &file.means[i];
        onnx__node_proto__init(node);
        snprintf(file.names[i], sizeof file.names[i], "m%d", i);
        file.mean_outputs[i] = file.names[i];
        node->op_type = mean;
        LIST((*node), input, inputs);
        node->n_output = 1, node->output = &file.mean_outputs[i];
        LIST((*node), attribute, mean_attributes);
    }
    nodes[LAUNCHES] = &file.concat;
    file.concat.op_type = concat;
    LIST(file.concat, input, file.mean_outputs);
    LIST(file.concat, output, outputs);
    LIST(file.concat, attribute, concat_attributes);
    LIST(file.graph, node, nodes);
    LIST(file.graph, input, graph_inputs);
    LIST(file.graph, output, graph_outputs);
    file.model.graph = &file.graph;
    file.model.n_opset_import = 1, file.model.opset_import = sets;
    uint8_t bytes[1024];
    if (onnx__model_proto__get_packed_size(&file.model) > sizeof bytes)
        return e2b_fail(err, E2B_INTERNAL, "a stand-in model is too large");
    size_t count = onnx__model_proto__pack(&file.model, bytes);
    return e2b_model_parse(bytes, count, NULL, out, err);
}
