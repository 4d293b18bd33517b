#include "kernels/common/strided.h"

#include "kernels/common/octets.h"
#include "kernels/common/operand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct e2b_source e2b_source_strided, e2b_source_tiled;

#define TILE 16       /* what makes a tiled move worth its launch */
#define TILE_GROUP 32 /* tile of tiled.cl */

void e2b_walk_init(struct e2b_walk *walk, const struct e2b_shape *space) {
    memset(walk, 0, sizeof *walk);
    walk->rank = space->rank;
    walk->lane_dim = -1;
    memcpy(walk->dims, space->dims, (size_t)space->rank * sizeof space->dims[0]);
}

void e2b_walk_add(
    struct e2b_walk *walk, const struct e2b_shape *shape, const int64_t stride[E2B_MAX_RANK]) {
    int64_t *to = walk->stride[walk->operands++];
    for (int i = 0; i < shape->rank; i++)
        to[walk->rank - shape->rank + i] = shape->dims[i] == 1 ? 0 : stride[i];
}

void e2b_walk_add_dense(struct e2b_walk *walk, const struct e2b_shape *shape) {
    struct e2b_tensor tensor = {.layout = E2B_ROW_MAJOR, .shape = *shape};
    e2b_tensor_set_dense(&tensor, 1);
    e2b_walk_add(walk, shape, tensor.stride);
}

int64_t e2b_walk_count(const struct e2b_walk *walk) {
    int64_t count = 1;
    for (int i = 0; i < walk->rank; i++)
        count *= walk->dims[i];
    return count;
}

static void copy_dim(struct e2b_walk *to, int i, const struct e2b_walk *from, int j) {
    to->dims[i] = from->dims[j];
    for (int k = 0; k < from->operands; k++)
        to->stride[k][i] = from->stride[k][j];
}

/* Insertion sort by operand 0's stride, densest last. */
static void insert_dim(struct e2b_walk *to, const struct e2b_walk *from, int dim) {
    int i = to->rank++;
    while (i > 0 && to->stride[0][i - 1] < from->stride[0][dim]) {
        copy_dim(to, i, to, i - 1);
        i--;
    }
    copy_dim(to, i, from, dim);
}

static bool lies_together(const struct e2b_walk *walk, int i) {
    for (int k = 0; k < walk->operands; k++)
        if (walk->stride[k][i] != walk->dims[i + 1] * walk->stride[k][i + 1])
            return false;
    return true;
}

static void merge_dims(struct e2b_walk *walk) {
    for (int i = walk->rank - 2; i >= 0; i--) {
        if (!lies_together(walk, i))
            continue;
        int64_t outer = walk->dims[i];
        for (int j = i; j + 1 < walk->rank; j++)
            copy_dim(walk, j, walk, j + 1);
        walk->dims[i] *= outer;
        walk->rank--;
    }
}

void e2b_walk_collapse(struct e2b_walk *walk) {
    struct e2b_walk result = {.operands = walk->operands, .lane_dim = -1};
    int lane = walk->pad_lanes ? walk->lane_dim : -1;
    for (int i = 0; i < walk->rank; i++)
        if (i != lane && walk->dims[i] != 1)
            insert_dim(&result, walk, i);
    merge_dims(&result);
    if (lane >= 0) {
        result.lane_dim = result.rank;
        result.pad_lanes = walk->pad_lanes;
        copy_dim(&result, result.rank, walk, lane);
        result.stride[0][result.rank++] = 1;
    }
    if (result.rank == 0) {
        result.dims[result.rank++] = 1;
        for (int k = 0; k < result.operands; k++)
            result.stride[k][0] = 1;
    }
    *walk = result;
}

void e2b_cursor_next(struct e2b_cursor *cursor) {
    const struct e2b_walk *walk = cursor->walk;
    for (int i = walk->rank - 1; i >= 0; i--) {
        bool carry = ++cursor->at[i] == walk->dims[i];
        for (int k = 0; k < walk->operands; k++)
            cursor->position[k] += walk->stride[k][i] * (carry ? 1 - walk->dims[i] : 1);
        if (!carry)
            return;
        cursor->at[i] = 0;
    }
}

int64_t e2b_pad_lanes(const struct e2b_tensor *tensor, const struct e2b_traits *traits) {
    int64_t align = traits->channel_align > 1 ? traits->channel_align : 1;
    int rank = tensor->shape.rank;
    if (tensor->layout != E2B_CHANNELS_LAST || (rank != 3 && rank != 4))
        return 0;
    return (align - tensor->shape.dims[1] % align) % align;
}

void e2b_map_init(
    struct e2b_map *map, const struct e2b_call *call, const char *function, int output) {
    const struct e2b_tensor *tensor = &call->outputs[output].tensor;
    memset(map, 0, sizeof *map);
    map->function = function;
    map->operands[0] = (struct e2b_map_operand){E2B_MAP_OUTPUT, output, 0};
    e2b_walk_init(&map->walk, &tensor->shape);
    e2b_walk_add(&map->walk, &tensor->shape, tensor->stride);
    map->walk.lane_dim = 1;
    map->walk.pad_lanes = e2b_pad_lanes(tensor, call->traits);
}

void e2b_map_input(struct e2b_map *map, const struct e2b_call *call, int input) {
    const struct e2b_operand *operand = &call->inputs[input];
    int64_t stride[E2B_MAX_RANK];
    map->operands[map->walk.operands] = (struct e2b_map_operand){.index = input};
    e2b_operand_strides(operand, stride);
    e2b_walk_add(&map->walk, &operand->tensor.shape, stride);
}

const char *e2b_dtype_cl(enum e2b_dtype dtype) {
    switch (dtype) {
    case E2B_F16:
        return "half";
    case E2B_U8:
    case E2B_BOOL:
        return "uchar";
    case E2B_I8:
        return "char";
    case E2B_I32:
        return "int";
    case E2B_I64:
        return "long";
    default:
        return "float";
    }
}

void e2b_launch_line(struct e2b_launch *launch, const struct e2b_traits *traits, int64_t count) {
    int64_t group = traits->is_cpu                         ? 1
        : traits->max_group > 0 && traits->max_group < 256 ? traits->max_group
                                                           : 256;
    e2b_launch_grid(launch, (size_t)count, 1, 1);
    e2b_launch_group(launch, (size_t)group, 1, 1);
}

static bool accepts_operand(const struct e2b_operand *operand, const char *what, int index,
    int channel_align, char *reason, size_t reason_bytes) {
    const struct e2b_tensor *tensor = &operand->tensor;
    if (!operand->present)
        return true;
    if (tensor->dtype == E2B_F64 || tensor->dtype == E2B_NONE) {
        snprintf(reason, reason_bytes, "%s %d is FP64, kernels take none", what, index);
        return false;
    }
    if (operand->constant || e2b_tensor_extent(tensor, channel_align) <= INT32_MAX)
        return true;
    snprintf(reason, reason_bytes, "%s %d spans more than 2^31 elements", what, index);
    return false;
}

bool e2b_accepts_strided(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    int align = call->traits->channel_align;
    for (int i = 0; i < call->input_count; i++)
        if (!accepts_operand(&call->inputs[i], "input", i, align, reason, reason_bytes))
            return false;
    for (int i = 0; i < call->output_count; i++)
        if (!accepts_operand(&call->outputs[i], "output", i, align, reason, reason_bytes))
            return false;
    return true;
}

static enum e2b_dtype dtype_of(const struct e2b_call *call, const struct e2b_map *map, int k) {
    const struct e2b_map_operand *operand = &map->operands[k];
    if (operand->from == E2B_MAP_PACKED)
        return E2B_F32;
    return operand->from == E2B_MAP_OUTPUT ? call->outputs[operand->index].tensor.dtype
                                           : call->inputs[operand->index].tensor.dtype;
}

/* Integers are computed as long, exactly; with a float among the operands all are floats. */
static const char *compute_type(const struct e2b_call *call, const struct e2b_map *map) {
    if (!strcmp(map->function, "POW") || !strcmp(map->function, "WEIGHTED")
        || map->activation.kind != E2B_ACT_IDENTITY)
        return "float";
    for (int k = 0; k < map->walk.operands; k++)
        if (e2b_dtype_is_float(dtype_of(call, map, k)))
            return "float";
    return "long";
}

static enum e2b_status add_operand(const struct e2b_call *call, const struct e2b_map *map, int k,
    struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    const struct e2b_map_operand *operand = &map->operands[k];
    const struct e2b_walk *walk = &map->walk;
    if (operand->from == E2B_MAP_OUTPUT) {
        e2b_launch_output(launch, operand->index);
    } else if (operand->from == E2B_MAP_PACKED) {
        e2b_launch_packed(launch, operand->index);
        e2b_launch_int(launch, 0);
    } else if (e2b_launch_operand(list, launch, call, operand->index, dtype_of(call, map, k), err)
        != E2B_OK) {
        return err->status;
    }
    e2b_launch_int(launch, operand->base);
    for (int i = walk->rank - 1; i >= 0; i--)
        e2b_launch_int(launch, walk->stride[k][i]);
    return E2B_OK;
}

static enum e2b_status add_operands(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    for (int k = 0; k < map->walk.operands; k++)
        if (add_operand(call, map, k, list, launch, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

static int inner_mode(const struct e2b_walk *walk, int operand) {
    int64_t stride = walk->stride[operand][walk->rank - 1];
    return stride == 0 ? 0 : stride == 1 ? 1 : 2;
}

/* Elements of the innermost dimension that one work-item takes at a time. */
static int vector_width(const struct e2b_call *call, const struct e2b_walk *walk) {
    int64_t length = walk->dims[walk->rank - 1] + walk->pad_lanes;
    bool strided = false;
    for (int k = 0; k < walk->operands; k++)
        strided |= inner_mode(walk, k) == 2;
    int widest = call->traits->is_cpu ? 16 : strided ? length <= 8 ? 8 : 1 : 4;
    int width = length >= widest ? widest : length > 4 ? 8 : length > 1 ? 4 : 1;
    while (width > 4 && length < 8 * width && length % width)
        width /= 2;
    return width;
}

/* Options name the types TY, TA, TB, TC and how each operand lies along the innermost dimension. */
static void map_options(
    const struct e2b_call *call, const struct e2b_map *map, int width, char *text, size_t bytes) {
    static const char names[] = "YABC";
    int at = snprintf(text, bytes, "-DMAP_%s -DV=%d -DRANK=%d -DCT=%s -DACTIVATION=%d",
        map->function, width, map->walk.rank, compute_type(call, map), (int)map->activation.kind);
    for (int k = 0; k < map->walk.operands; k++)
        at += snprintf(text + at, bytes - (size_t)at, " -DT%c=%s -DI%c=%d", names[k],
            e2b_dtype_cl(dtype_of(call, map, k)), names[k], inner_mode(&map->walk, k));
}

/* Rows of the space times chunks of its innermost dimension; several in a row for a CPU's item. */
static void map_grid(const struct e2b_call *call, const struct e2b_walk *walk, int width,
    struct e2b_launch *launch) {
    int64_t inner = walk->dims[walk->rank - 1], length = inner + walk->pad_lanes;
    int64_t chunks = (length + width - 1) / width;
    int64_t total = e2b_walk_count(walk) / inner * chunks, per_item = 1;
    if (call->traits->is_cpu) {
        per_item = total / (4 * (int64_t)call->traits->compute_units + 1);
        per_item = per_item < 1 ? 1 : per_item > 256 ? 256 : per_item;
    }
    e2b_launch_int(launch, total);
    e2b_launch_int(launch, per_item);
    e2b_launch_int(launch, chunks);
    e2b_launch_int(launch, length);
    for (int i = walk->rank - 1; i >= 0; i--)
        e2b_launch_int(launch, walk->dims[i]);
    e2b_launch_line(launch, call->traits, (total + per_item - 1) / per_item);
}

static void count_work(
    const struct e2b_call *call, const struct e2b_map *map, struct e2b_launch *launch) {
    double count = (double)e2b_walk_count(&map->walk);
    launch->flops = count;
    for (int k = 0; k < map->walk.operands; k++) {
        double elements = 1;
        for (int i = 0; i < map->walk.rank; i++)
            elements *= map->walk.stride[k][i] ? (double)map->walk.dims[i] : 1;
        launch->bytes += elements * (double)e2b_dtype_bytes(dtype_of(call, map, k));
    }
}

static enum e2b_status emit_rows(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_error *err) {
    char options[sizeof((struct e2b_launch *)0)->options];
    int width = vector_width(call, &map->walk);
    map_options(call, map, width, options, sizeof options);
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_strided, "map", "%s", options);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    count_work(call, map, launch);
    map_grid(call, &map->walk, width, launch);
    if (add_operands(call, map, list, launch, err) != E2B_OK)
        return err->status;
    if (!strcmp(map->function, "GATHER")) {
        e2b_launch_int(launch, map->gather_length);
        e2b_launch_int(launch, map->gather_stride);
    }
    e2b_launch_float(launch, (double)map->p);
    e2b_launch_float(launch, (double)map->q);
    e2b_launch_float(launch, (double)map->activation.a);
    e2b_launch_float(launch, (double)map->activation.b);
    return E2B_OK;
}

/* The dimension along which the input is dense, where that is not the output's; -1 if tiles would
 * not help. */
static int tiled_dim(const struct e2b_map *map) {
    const struct e2b_walk *walk = &map->walk;
    int last = walk->rank - 1;
    if (walk->operands != 2 || strcmp(map->function, "FIRST") || map->activation.kind
        || walk->stride[0][last] != 1 || walk->stride[1][last] == 1 || walk->dims[last] < TILE)
        return -1;
    for (int i = 0; i < last; i++)
        if (walk->stride[1][i] == 1 && walk->dims[i] >= TILE)
            return i;
    return -1;
}

/* Innermost first: the output's dense dimension, then the input's, then the others. */
static void put_tiled_dim(struct e2b_walk *walk, int dim) {
    struct e2b_walk from = *walk;
    int last = walk->rank - 1;
    for (int i = dim; i + 1 < last; i++)
        copy_dim(walk, i, &from, i + 1);
    copy_dim(walk, last - 1, &from, dim);
}

static enum e2b_status emit_tiles(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_walk *walk = &map->walk;
    int last = walk->rank - 1;
    bool cpu = call->traits->is_cpu || call->traits->max_group < 256;
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_tiled, cpu ? "tile_serial" : "tile_local",
            "-DRANK=%d -DCT=%s -DTY=%s -DTA=%s", walk->rank, compute_type(call, map),
            e2b_dtype_cl(dtype_of(call, map, 0)), e2b_dtype_cl(dtype_of(call, map, 1)));
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    count_work(call, map, launch);
    int64_t length = walk->dims[last] + walk->pad_lanes;
    size_t x = (size_t)(walk->dims[last - 1] + TILE_GROUP - 1) / TILE_GROUP;
    size_t y = (size_t)(length + TILE_GROUP - 1) / TILE_GROUP;
    size_t z = (size_t)(e2b_walk_count(walk) / walk->dims[last] / walk->dims[last - 1]);
    if (cpu)
        e2b_launch_grid(launch, x, y, z);
    else
        e2b_launch_grid(launch, x * TILE_GROUP, y * 8, z);
    e2b_launch_group(launch, cpu ? 1 : TILE_GROUP, cpu ? 1 : 8, 1);
    e2b_launch_int(launch, length);
    for (int i = last; i >= 0; i--)
        e2b_launch_int(launch, walk->dims[i]);
    return add_operands(call, map, list, launch, err);
}

/* Whether rows are few elements that become 8: an image of few channels. */
static bool makes_octets(const struct e2b_call *call, const struct e2b_map *map) {
    const struct e2b_walk *walk = &map->walk;
    int last = walk->rank - 1;
    if (call->traits->is_cpu || walk->rank < 2 || walk->operands != 2
        || strcmp(map->function, "FIRST") || map->activation.kind
        || !e2b_dtype_is_float(dtype_of(call, map, 0)) || walk->stride[0][last] != 1
        || walk->dims[last] + walk->pad_lanes != E2B_OCTET || map->operands[0].base % E2B_OCTET)
        return false;
    for (int i = 0; i < last; i++)
        if (walk->stride[0][i] % E2B_OCTET)
            return false;
    return true;
}

static enum e2b_status emit_octets(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_walk *walk = &map->walk;
    int last = walk->rank - 1;
    enum e2b_dtype to = dtype_of(call, map, 0);
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_tiled, "octets",
        "-DOCTETS -DRANK=%d -DCT=float -D%s -DTY=%s -DTA=%s%s", walk->rank, e2b_dtype_macro(to),
        e2b_dtype_cl(to), e2b_dtype_cl(dtype_of(call, map, 1)), e2b_octets_option(call->traits));
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    count_work(call, map, launch);
    int64_t rows = e2b_walk_count(walk) / walk->dims[last];
    e2b_launch_line(launch, call->traits, rows);
    e2b_launch_int(launch, rows);
    e2b_launch_int(launch, E2B_OCTET);
    for (int i = last; i >= 0; i--)
        e2b_launch_int(launch, walk->dims[i]);
    return add_operands(call, map, list, launch, err);
}

enum e2b_status e2b_map_emit(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_map flat = *map;
    if (e2b_walk_count(&flat.walk) == 0)
        return E2B_OK;
    e2b_walk_collapse(&flat.walk);
    if (flat.walk.rank > E2B_WALK_RANK)
        return e2b_fail(err, E2B_UNSUPPORTED, "%s: %d separate dimensions, kernels take at most %d",
            call->op->name, flat.walk.rank, E2B_WALK_RANK);
    if (makes_octets(call, &flat))
        return emit_octets(call, &flat, list, err);
    int dim = tiled_dim(&flat);
    if (dim < 0)
        return emit_rows(call, &flat, list, err);
    put_tiled_dim(&flat.walk, dim);
    return emit_tiles(call, &flat, list, err);
}
