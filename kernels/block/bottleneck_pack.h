/* How bottlenecks' weights are packed for products of warpgroups. */
#ifndef E2B_KERNELS_BLOCK_BOTTLENECK_PACK_H
#define E2B_KERNELS_BLOCK_BOTTLENECK_PACK_H

#include "kernels/block/variants.h"

#define E2B_MATRIX_SIDE 64
#define E2B_MATRIX_BYTES (E2B_MATRIX_SIDE * E2B_MATRIX_SIDE * 2)

/* A product's weights, 64 rows of 64 halves in permuted chunks of 8: of outputs from `first` on,
 * and channels from `channel` on, in the order of a product's columns if they come from one. Of 32
 * columns, a lane has those of 8 channels that lie together. */
struct e2b_block_matrix {
    int64_t outputs, channels, taps, tap, first, channel;
    bool from_product;
};

/* Return where the next one is put. */
uint16_t *e2b_block_put_matrix(
    uint16_t *to, const struct e2b_constant *weights, const struct e2b_block_matrix *matrix);
float *e2b_block_put_bias(
    float *to, const struct e2b_constant *bias, int64_t channels, int64_t padded);

#endif
