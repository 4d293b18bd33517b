/* "attention", which passes make of a graph's products and softmax:
 *   Y = softmax(scale Q K' + mask) V for each sample and head, softmax over the keys.
 * Inputs: Q (N, queries, heads, depth), K (N, keys, heads, depth), V (N, keys, heads, columns), all
 * as projections leave them, and mask (optional), which broadcasts to (N, heads, queries, keys).
 * Y is (N, queries, heads, columns). Scores below -1e38 count as that: a query whose keys are all
 * masked sees them alike, however the mask is stored. The matrix of scores is never in memory:
 * kernels go over the keys in blocks with a running maximum and sum (Milakov and Gimelshein 2018;
 * Dao et al. 2022). */
#ifndef E2B_KERNELS_ATTENTION_ATTENTION_H
#define E2B_KERNELS_ATTENTION_ATTENTION_H

#include "kernels/op.h"

enum e2b_attention_input { E2B_ATTENTION_Q, E2B_ATTENTION_K, E2B_ATTENTION_V, E2B_ATTENTION_MASK };

struct e2b_attention_params {
    float scale;
};

extern const struct e2b_op e2b_op_attention;

#endif
