/* Inside the attention family: a call as plain numbers, and the variants. */
#ifndef E2B_KERNELS_ATTENTION_VARIANTS_H
#define E2B_KERNELS_ATTENTION_VARIANTS_H

#include "kernels/attention/attention.h"
#include "kernels/common/operand.h"

/* Strides in elements: of a sample, a token and a head; of the mask those of a sample, a head, a
 * query and a key, 0 where it broadcasts or is absent. */
struct e2b_attention {
    int64_t samples, heads, queries, keys, depth, columns;
    int64_t q[3], k[3], v[3], y[3], mask[4];
};

/* dense: with row-major dense strides, as references have them; else with those of the tensors. */
void e2b_attention_read(const struct e2b_call *call, bool dense, struct e2b_attention *out);

/* Why no kernel of this family can run the call, or NULL. */
const char *e2b_attention_refuses(const struct e2b_call *call);

/* 0 without a mask, 1 if it is the same for all queries, else 2. */
int e2b_attention_mask_kind(const struct e2b_call *call, const struct e2b_attention *sizes);

/* A launch with the options and arguments that all kernels of the family take, in the order of
 * attention.clh; `more` are further options. NULL with err set. */
struct e2b_launch *e2b_attention_launch(const struct e2b_call *call,
    const struct e2b_attention *sizes, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more, double scale,
    struct e2b_error *err);

#define E2B_ATTENTION_VARIANT(name)                                                                \
    bool e2b_attention_##name##_accepts(                                                           \
        const struct e2b_call *call, char *reason, size_t reason_bytes);                           \
    enum e2b_status e2b_attention_##name##_emit(                                                   \
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err)

E2B_ATTENTION_VARIANT(lanes);  /* CPU: a work-item has 16 queries in the lanes of its vectors */
E2B_ATTENTION_VARIANT(mma);    /* tensor cores: needs PTX of sm_80 and depths of multiples of 16 */
E2B_ATTENTION_VARIANT(tile);   /* GPU: tiles through local memory */
E2B_ATTENTION_VARIANT(direct); /* a work-item a query and 16 columns, any case */

int e2b_attention_mma_candidates(const struct e2b_call *call);

#endif
