/* Tiles of implicit GEMM on tensor cores (mma.h): which there are, what each would take, and which
 * one is taken. Internal to mma.c. */
#ifndef E2B_KERNELS_COMMON_MMA_TILE_H
#define E2B_KERNELS_COMMON_MMA_TILE_H

#include "kernels/common/mma.h"

#define E2B_MMA_CHUNK_BYTES 16
#define E2B_MMA_HALVES_LANES 8 /* of a chunk in two halves, of 4 bytes each */

enum e2b_mma_way {
    E2B_MMA_WARPS,        /* any type */
    E2B_MMA_WARPGROUPS,   /* fp16 by wgmma */
    E2B_MMA_HALVES,       /* fp32 by wgmma in two halves, with pixels one step ahead */
    E2B_MMA_HALVES_AHEAD, /* the same, two steps ahead */
    E2B_MMA_PIPELINE,     /* fp16 by wgmma with warps that only copy (pipeline.clh) */
    E2B_MMA_KEEPING,      /* the same, with the weights of a column of tiles kept */
};

/* As mma.cl has it, and the share of the peak that it reaches when a device is full of them
 * (measured on an H200, see docs/results). */
struct e2b_mma_tile {
    int rows, columns, warps_m, warps_n, chunks, stages;
    int teams; /* of so many warps, which share the inner dimension in a group, by stages each */
    int registers; /* a thread may take, so that groups share a compute unit */
    enum e2b_mma_way by;
    double efficiency;
    bool guessed; /* that efficiency, or not timed beside the others: a tuning candidate only */
};

/* A problem cut into tiles. */
struct e2b_mma_shape {
    int64_t rows, chunks, slabs, row_tiles, column_tiles;
};

struct e2b_mma_choice {
    const struct e2b_mma_tile *tile;
    int split;   /* groups that share a tile's inner dimension */
    double cost; /* see e2b_mma_cost; of launches that are merged in ns */
};

/* The one that call->candidate stands for. */
struct e2b_mma_choice e2b_mma_choose(
    const struct e2b_call *call, const struct e2b_mma_problem *problem);

/* The tile with as many stages as the groups that come to a compute unit at once have room for:
 * slabs under way hide what memory takes to answer. */
struct e2b_mma_tile e2b_mma_deepened(const struct e2b_call *call,
    const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile, int split);

struct e2b_mma_shape e2b_mma_shape_of(const struct e2b_call *call,
    const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile);
bool e2b_mma_in_halves(const struct e2b_mma_tile *tile);
bool e2b_mma_is_pipeline(const struct e2b_mma_tile *tile);
int e2b_mma_lanes(const struct e2b_call *call, const struct e2b_mma_tile *tile); /* of a chunk */
int e2b_mma_threads(const struct e2b_mma_tile *tile);

/* Of local memory: a stage, and what is before the stages (numbers of columns, barriers, weights
 * that are kept). */
int64_t e2b_mma_stage_bytes(const struct e2b_mma_tile *tile);
int64_t e2b_mma_head_bytes(const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape);

#endif
