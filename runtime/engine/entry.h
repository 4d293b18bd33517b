/* Gives a launch its entry (kernels/entry.h): which buffers it takes, and the words of its
 * structure. */
#ifndef E2B_ENGINE_ENTRY_H
#define E2B_ENGINE_ENTRY_H

#include "runtime/engine/bind.h"

struct e2b_entry {
    int buffers[E2B_MAX_ARGS]; /* for each that it takes the first argument that lies there */
    int buffer_count;
    int32_t words[E2B_MAX_ARGS]; /* one an argument, for slot 0 */
};

/* Whether the device wants one for this launch, and its kernel can be called. */
bool e2b_entry_suits(const struct e2b_traits *traits, const struct e2b_launch *launch);

/* For a bound step that it suits; asks for its program, whose number goes to step->program. NULL
 * when out of memory; free() it. */
struct e2b_entry *e2b_entry_create(struct e2b_programs *programs, struct e2b_step *step);

#endif
