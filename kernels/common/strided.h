/* Walks over index spaces with one stride a dimension and operand, and the kernels that go with
 * them: "map" computes element by element from up to three operands that broadcast, are sliced,
 * permuted or padded by their strides alone; where it only moves and input and output have
 * different dense dimensions, it is done in tiles. Pad lanes of channels-last outputs become 0. */
#ifndef E2B_KERNELS_COMMON_STRIDED_H
#define E2B_KERNELS_COMMON_STRIDED_H

#include "kernels/activation.h"
#include "kernels/op.h"

#define E2B_WALK_DIMS (2 * E2B_MAX_RANK) /* while it is built */
#define E2B_WALK_RANK 6                  /* that the kernels take, after collapsing */
#define E2B_WALK_OPERANDS 4

struct e2b_walk {
    int rank, operands;
    int64_t dims[E2B_WALK_DIMS];
    int64_t stride[E2B_WALK_OPERANDS][E2B_WALK_DIMS]; /* operand 0 is the one written */
    int lane_dim;      /* dimension that pad lanes follow; -1: none */
    int64_t pad_lanes; /* elements to zero after it, in operand 0 */
};

void e2b_walk_init(struct e2b_walk *walk, const struct e2b_shape *space);
/* Append an operand that broadcasts to the space: its last dimensions fall together. */
void e2b_walk_add(
    struct e2b_walk *walk, const struct e2b_shape *shape, const int64_t stride[E2B_MAX_RANK]);
/* The same with row-major dense strides, as references have them. */
void e2b_walk_add_dense(struct e2b_walk *walk, const struct e2b_shape *shape);
int64_t e2b_walk_count(const struct e2b_walk *walk);
/* Drop dimensions of 1, order the rest so that operand 0's densest is last, merge what lies
 * together. Rank becomes at least 1; a lane dimension becomes the last. */
void e2b_walk_collapse(struct e2b_walk *walk);

/* Where each operand's element lies while the space is walked in row-major order. */
struct e2b_cursor {
    const struct e2b_walk *walk;
    int64_t at[E2B_WALK_DIMS], position[E2B_WALK_OPERANDS];
};
void e2b_cursor_next(struct e2b_cursor *cursor);

struct e2b_map_operand {
    enum { E2B_MAP_INPUT, E2B_MAP_OUTPUT, E2B_MAP_PACKED } from;
    int index;    /* node input or output; packing, of floats */
    int64_t base; /* elements to skip */
};

struct e2b_map {
    const char *function; /* a MAP_<function> of strided.cl: "ADD" */
    struct e2b_activation activation;
    float p, q; /* of WEIGHTED: p a + q b */
    /* of GATHER, which reads a at b * gather_stride and adds c if there is one, b from
     * -gather_length to gather_length - 1 */
    int64_t gather_length, gather_stride;
    struct e2b_walk walk;
    struct e2b_map_operand operands[E2B_WALK_OPERANDS];
};

/* A map over the shape of an output, which becomes operand 0; inputs are added in order. */
void e2b_map_init(
    struct e2b_map *map, const struct e2b_call *call, const char *function, int output);
void e2b_map_input(struct e2b_map *map, const struct e2b_call *call, int input);
/* One launch; none if the space is empty. */
enum e2b_status e2b_map_emit(const struct e2b_call *call, const struct e2b_map *map,
    struct e2b_launch_list *list, struct e2b_error *err);

/* What every variant of these families needs: a type that kernels take, 32-bit indices. */
bool e2b_accepts_strided(const struct e2b_call *call, char *reason, size_t reason_bytes);

/* Lanes between a channels-last tensor's channels and the device's multiple of channels; 0 for
 * other layouts. */
int64_t e2b_pad_lanes(const struct e2b_tensor *tensor, const struct e2b_traits *traits);

/* OpenCL C name of a storage type: "float", "half", "uchar". */
const char *e2b_dtype_cl(enum e2b_dtype dtype);

/* A 1-D grid of at least count work-items: groups of 256 on a GPU, of 1 on a CPU. Kernels check. */
void e2b_launch_line(struct e2b_launch *launch, const struct e2b_traits *traits, int64_t count);

#endif
