/* A problem for implicit GEMM on tensor cores, and what its launches must be whatever the tile. */
#ifndef E2B_TESTS_MMA_SETTING_H
#define E2B_TESTS_MMA_SETTING_H

#include "kernels/common/mma.h"

enum { MMA_CHUNK_BYTES = 16 };

struct mma_setting {
    struct e2b_traits traits;
    struct e2b_operand output;
    struct e2b_call call;
    struct e2b_constant weights, bias;
    struct e2b_mma_problem problem;
};

/* What the options of a launch say. */
struct mma_tiling {
    int rows, columns, warps_m, warps_n, chunks, slots, teams, splits;
};

/* A convolution of side x side pixels that keeps its size, on 132 units of sm_80. Every weight is
 * exact in fp16, also when halved, and none is 0. */
void mma_start(struct mma_setting *setting, enum e2b_dtype dtype, int64_t samples, int64_t side,
    int64_t channels, int64_t outputs, int64_t kernel);
void mma_finish(struct mma_setting *setting);
struct e2b_constant mma_constant_of(int64_t count); /* the same numbers; free its data */

int mma_option(const struct e2b_launch *launch, const char *name);
struct mma_tiling mma_tiling_of(const struct e2b_launch *launch);
/* The integers that the kernel takes after the number of splits, if there are any, in its order:
 * [0] column tiles, [1] slabs, [2] pixels. */
int32_t mma_integer(const struct e2b_launch *launch, int index);

/* Emits candidate by candidate. */
void mma_each_candidate(struct mma_setting *setting,
    void (*check)(
        const struct mma_setting *, const struct e2b_launch_list *, const struct mma_tiling *));
void mma_check_sizes(const struct mma_setting *setting, const struct e2b_launch_list *list,
    const struct mma_tiling *tiling);

#endif
