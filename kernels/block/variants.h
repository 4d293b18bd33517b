/* Inside conv_block: its parts, its variants, and what they share. */
#ifndef E2B_KERNELS_BLOCK_VARIANTS_H
#define E2B_KERNELS_BLOCK_VARIANTS_H

#include "kernels/block/block.h"
#include "kernels/conv/variants.h"

enum e2b_block_part_index {
    E2B_EXPANSION,
    E2B_MIDDLE,
    E2B_SHORTCUT, /* its output is the projection's residual */
    E2B_PROJECTION,
    E2B_BLOCK_PARTS
};

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

#define E2B_BLOCK_VARIANT(name)                                                                    \
    bool e2b_block_##name##_accepts(                                                               \
        const struct e2b_call *call, char *reason, size_t reason_bytes);                           \
    enum e2b_status e2b_block_##name##_emit(                                                       \
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err)

E2B_BLOCK_VARIANT(bottleneck);        /* warpgroups: a full convolution between, of few channels */
E2B_BLOCK_VARIANT(bottleneck_strip);  /* the same of more channels, weights come in slabs */
E2B_BLOCK_VARIANT(inverted_residual); /* tensor cores: wide images stay in local memory */
E2B_BLOCK_VARIANT(apart);             /* the convolutions one after another */
int e2b_block_bottleneck_strip_candidates(const struct e2b_call *call);
int e2b_block_inverted_residual_candidates(const struct e2b_call *call);
/* Whether the convolutions are expected to be faster apart. */
bool e2b_block_bottleneck_yields(const struct e2b_call *call);
bool e2b_block_bottleneck_strip_yields(const struct e2b_call *call);
bool e2b_block_inverted_residual_yields(const struct e2b_call *call);

/* For the variants that are one launch: */

bool e2b_block_is_depthwise(const struct e2b_call *call);
/* Why none of them can run, or NULL: types, layout, activations. */
const char *e2b_block_refuses(const struct e2b_call *call);
/* The same of bottlenecks by warpgroups. */
const char *e2b_block_refuses_bottleneck(const struct e2b_call *call);
/* Whether nothing was refused; else says what. */
bool e2b_block_takes(const char *refused, char *reason, size_t reason_bytes);
/* NULL if the input is absent or not constant. */
const struct e2b_constant *e2b_block_constant(const struct e2b_call *call, int input);

/* The launch with the options that their kernels know (see words.clh; RESIDUAL) and `more`,
 * and its tensors; NULL when out of memory. Its last arguments: height, width, those of the output,
 * pad_top, pad_left, ends of channels and strides of samples, rows and pixels as conv.clh names
 * them, the activation's numbers. */
struct e2b_launch *e2b_block_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more);
void e2b_block_add_geometry(const struct e2b_call *call, struct e2b_launch *launch);

#define E2B_BLOCK_LAUNCH_NS 6300.0
/* What the device's memory takes for the images at a block's ends; and the convolutions apart,
 * which it limits. */
double e2b_block_memory_ns(const struct e2b_call *call);
double e2b_block_apart_ns(const struct e2b_call *call);
/* Whether that can run, and takes no longer than one launch that takes one_ns. */
bool e2b_block_apart_is_faster(const struct e2b_call *call, double one_ns);

#endif
