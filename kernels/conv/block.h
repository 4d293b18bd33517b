/* Inside inverted_residual: its parts, and its variants. */
#ifndef E2B_KERNELS_CONV_BLOCK_H
#define E2B_KERNELS_CONV_BLOCK_H

#include "kernels/conv/inverted_residual.h"
#include "kernels/conv/variants.h"

enum e2b_block_part_index { E2B_EXPANSION, E2B_DEPTHWISE, E2B_PROJECTION, E2B_BLOCK_PARTS };

/* A convolution of the block as a call of its own. */
struct e2b_block_part {
    struct e2b_conv_params params;
    struct e2b_operand in[E2B_CONV_RESIDUAL + 1], out;
    struct e2b_call call;
};

/* The parts, which must stay where they are. What lies between them are dense images, channels
 * last; their shapes are right once the block's are inferred. A part that is absent has no output.
 */
void e2b_block_separate(const struct e2b_call *call, struct e2b_block_part parts[E2B_BLOCK_PARTS]);

E2B_CONV_VARIANT(block_mma);   /* tensor cores: wide images stay in local memory */
E2B_CONV_VARIANT(block_apart); /* the convolutions one after another */
int e2b_conv_block_mma_candidates(const struct e2b_call *call);
/* Whether the convolutions are expected to be faster apart. */
bool e2b_conv_block_mma_yields(const struct e2b_call *call);

#endif
