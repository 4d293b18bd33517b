/* A chain: the work-groups of several launches, run by the groups of one. The text of its program
 * holds the kernels of those launches as functions, each distinct one once; what the launches are,
 * in which order and with which arguments, is a table that the program reads (chain.cl says how it
 * runs). */
#ifndef E2B_KERNELS_CHAIN_H
#define E2B_KERNELS_CHAIN_H

#include "kernels/launch.h"
#include "kernels/traits.h"
#include "runtime/base/text.h"

#define E2B_CHAIN_KERNEL "chain"

/* The table: the number of stages, where each stage's words begin, then those. A stage's first
 * words are these; at E2B_CHAIN_WAITS stands where its waits are: their count, then for each the
 * number of an earlier stage and how many jobs that one has. */
enum {
    E2B_CHAIN_FUNCTION, /* place among the program's functions */
    E2B_CHAIN_GROUPS,   /* 3 words: groups of the launch, or its jobs, 1, 1 */
    E2B_CHAIN_EACH = 4, /* groups that are one job of the chain */
    E2B_CHAIN_JOBS,     /* of the chain */
    E2B_CHAIN_WAITS,
    E2B_CHAIN_ARGS, /* then: buffer, offset and slot stride of a tensor, buffer, or value */
};

/* Words of counters that a chain of so many stages needs, zero before its first run. */
#define E2B_CHAIN_COUNTER_WORDS 16
#define E2B_CHAIN_COUNTERS(stages) ((size_t)((stages) + 1) * E2B_CHAIN_COUNTER_WORDS)

/* Whether two launches are one function of a chain. */
bool e2b_chain_same_function(const struct e2b_launch *a, const struct e2b_launch *b);

/* Whether a launch can be a stage: not if its kernel declares local memory but by LOCAL. */
bool e2b_chain_takes(const struct e2b_launch *launch);

/* Adds the program's text, and its options. Its kernel takes the table, the counters and where they
 * begin in 4-byte words, the first slot, and as many buffers as said. All functions have groups of
 * as many work-items. */
void e2b_chain_text(const struct e2b_traits *traits, const struct e2b_launch *const *functions,
    int function_count, int buffer_count, struct e2b_text *text, struct e2b_text *options);

#endif
