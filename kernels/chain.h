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

/* The table: the number of stages; where each stage's words begin; for each stage the number of
 * jobs up to its end; then those words, at most E2B_CHAIN_ROW_WORDS a stage: these, the arguments,
 * and the waits, that is their count, then for each the number of an earlier stage and how many
 * jobs that one has. */
enum {
    E2B_CHAIN_FUNCTION, /* place among the program's functions */
    E2B_CHAIN_GROUPS,   /* 3 words: groups of the launch, or its jobs, 1, 1 */
    E2B_CHAIN_EACH = 4, /* parts (chain.cl) that are one job of the chain */
    E2B_CHAIN_WORDS,    /* of the stage */
    E2B_CHAIN_WAITS,    /* where among them the waits begin */
    E2B_CHAIN_ARGS,     /* then: buffer, offset and slot stride of a tensor, buffer and
                         * E2B_PACKED_ALIGNs in it of a packing, or value */
};

#define E2B_CHAIN_MAX_STAGES 256
#define E2B_CHAIN_ROW_WORDS 256
#define E2B_CHAIN_MAX_WAITS 48 /* of a stage: beside so many arguments, a row has room for them */

/* Words of counters that a chain of so many stages needs, zero before its first run. */
#define E2B_CHAIN_COUNTER_WORDS 16
#define E2B_CHAIN_COUNTERS(stages) ((size_t)((stages) + 1) * E2B_CHAIN_COUNTER_WORDS)

/* Words of a job's times (CHAIN_TIMES of chain.cl), which lie after the counters: when a group took
 * it, had what it needs, and was done, in ns of a clock of 32 bits, and by which compute unit. */
enum { E2B_CHAIN_TAKEN, E2B_CHAIN_READY, E2B_CHAIN_DONE, E2B_CHAIN_UNIT, E2B_CHAIN_TIME_WORDS };

/* Whether jobs can tell their times on a device. */
bool e2b_chain_tells_times(const struct e2b_traits *traits);

/* Whether two launches are one function of a chain. */
bool e2b_chain_same_function(const struct e2b_launch *a, const struct e2b_launch *b);

/* Whether a launch can be a stage of a chain whose groups have so many work-items: not if its
 * kernel declares local memory but by LOCAL, or has groups of another size that meet at barriers.
 */
bool e2b_chain_takes(const struct e2b_launch *launch, size_t items);

/* Whether groups of a launch meet at barriers, so that they cannot be cut or put together. */
bool e2b_chain_has_barriers(const struct e2b_launch *launch);

/* Adds the program's text, and its options. Its kernel takes the table, the counters and where they
 * begin in 4-byte words, the first slot, and as many buffers as said. Groups have `items`
 * work-items; e2b_chain_takes is true of all functions. */
void e2b_chain_text(const struct e2b_traits *traits, const struct e2b_launch *const *functions,
    int function_count, int buffer_count, size_t items, struct e2b_text *text,
    struct e2b_text *options);

#endif
