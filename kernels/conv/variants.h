/* Inside the convolution family: its variants and what they share. */
#ifndef E2B_KERNELS_CONV_VARIANTS_H
#define E2B_KERNELS_CONV_VARIANTS_H

#include "kernels/common/operand.h"
#include "kernels/conv/conv.h"

void e2b_conv_reference(const struct e2b_call *call, const double *const *in, double *const *out);

#define E2B_CONV_VARIANT(name)                                                                     \
    bool e2b_conv_##name##_accepts(                                                                \
        const struct e2b_call *call, char *reason, size_t reason_bytes);                           \
    enum e2b_status e2b_conv_##name##_emit(                                                        \
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err)

E2B_CONV_VARIANT(depthwise_cpu); /* a channel is its own group; vectors over channels */
E2B_CONV_VARIANT(lines);         /* CPU: few input channels, any layout of the image */
E2B_CONV_VARIANT(winograd);      /* CPU: 3x3 by minimal filtering, 4 times fewer products */
E2B_CONV_VARIANT(panel);         /* CPU: register tiles of pixels by a panel of channels */
E2B_CONV_VARIANT(depthwise);     /* GPU: a work-item makes 8 channels of a run of pixels */
E2B_CONV_VARIANT(patch);         /* tensor cores: pixels are copied once, whatever reads them */
E2B_CONV_VARIANT(mma);           /* tensor cores: see kernels/common/mma.h */
E2B_CONV_VARIANT(tile);          /* GPU: implicit GEMM through local memory */
E2B_CONV_VARIANT(direct);        /* a work-item an element, any case */

/* Rows (0) or columns (1) of which an output is the largest, 1 without a pool. */
int64_t e2b_conv_pool_side(const struct e2b_conv_params *params, int axis);
bool e2b_conv_has_pool(const struct e2b_conv_params *params);

/* How many tuning candidates these variants have. */
int e2b_conv_panel_candidates(const struct e2b_call *call);
int e2b_conv_depthwise_candidates(const struct e2b_call *call);
int e2b_conv_patch_candidates(const struct e2b_call *call);

/* Whether mma takes the call and is cheaper, as far as both their models tell. */
bool e2b_conv_patch_yields(const struct e2b_call *call);
double e2b_conv_mma_cost(const struct e2b_call *call); /* as e2b_mma_cost */

/* Why a kernel cannot run, or NULL: for what it writes and adds, and the size of tensors; for
 * weights that it wants packed; for both, a pool, and another image than one that is channels-last
 * and of the output's type. */
const char *e2b_conv_refuses_result(const struct e2b_call *call);
const char *e2b_conv_refuses_weights(const struct e2b_call *call);
const char *e2b_conv_refuses_packed(const struct e2b_call *call);

extern const struct e2b_source e2b_source_conv, e2b_source_panel, e2b_source_depthwise,
    e2b_source_depthwise_cpu;

/* A launch of one of this folder's kernels with the options that all of them know (storage type,
 * ACTIVATION, RESIDUAL, X_F32) and `more`, and its first arguments, CONV_TENSORS of conv.clh. NULL
 * when out of memory. */
struct e2b_launch *e2b_conv_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more);
/* Append the last arguments, CONV_GEOMETRY there. */
void e2b_conv_add_geometry(const struct e2b_call *call, struct e2b_launch *launch);
/* Only what it ends with: strides of a sample, a row and a pixel of x, y and the residual (those of y
 * if there is none), then the activation's numbers. */
void e2b_conv_add_layout(const struct e2b_call *call, struct e2b_launch *launch);

/* Output channels and the pad lanes that must be written. */
int64_t e2b_conv_channels_end(const struct e2b_call *call);
/* Floats of a CPU's vector that divide those channels evenly. */
int e2b_conv_lanes(const struct e2b_call *call);

/* Element `index` of constant weights or bias. */
float e2b_conv_weight_at(const struct e2b_constant *constant, int64_t index);

/* How a group's output channels are cut into `count` panels of `vectors` vectors of `lanes`
 * channels, of which those after the first `wide` have one vector fewer. */
struct e2b_conv_panels {
    int64_t lanes, vectors, count, wide;
};
int64_t e2b_conv_panel_vectors(const struct e2b_conv_panels *panels); /* of a group */
/* How many of `pixels` make the register tile, by so many vectors, that takes the least time. */
int64_t e2b_conv_tile_rows(const struct e2b_call *call, int64_t pixels, int64_t vectors);
/* The same in *tile_rows, and what an input channel of all pixels takes then, in half cycles. */
int64_t e2b_conv_tile_cost(
    const struct e2b_call *call, int64_t pixels, int64_t vectors, int64_t *tile_rows);

/* Constant weights and bias as zero-padded floats: [group][panel][tap][group_c][column of the
 * panel] and [group][column of the group]. Return the packing's index or -1. */
int e2b_conv_pack_panels(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_conv_panels *panels);
int e2b_conv_pack_bias(
    const struct e2b_call *call, struct e2b_launch_list *list, int64_t group_columns);
/* Weights of a depthwise convolution as [taps][channels_end]. */
int e2b_conv_pack_depthwise(const struct e2b_call *call, struct e2b_launch_list *list);

#endif
