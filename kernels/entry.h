/* An entry: a kernel that takes the arguments of another in fewer, and calls it. Each buffer is one
 * argument, once; numbers, offsets and where packings begin in their blocks are one structure. On
 * some devices (traits.few_arguments) a launch costs the host the more the more arguments it has. */
#ifndef E2B_KERNELS_ENTRY_H
#define E2B_KERNELS_ENTRY_H

#include "kernels/launch.h"
#include "runtime/base/text.h"

#define E2B_ENTRY_KERNEL "entry"

/* Whether the launch's kernel can be called: not if it declares local memory but by LOCAL. */
bool e2b_entry_takes(const struct e2b_launch *launch);

/* Adds the program's text, and its options. buffers: for each argument that is a buffer which of
 * the entry's it is, numbered from 0 as they come. The structure has a word of 4 bytes for each
 * argument of the launch: an offset (of a packing in E2B_PACKED_ALIGNs), or the value. */
void e2b_entry_text(const struct e2b_launch *launch, const int *buffers, int buffer_count,
    struct e2b_text *text, struct e2b_text *options);

#endif
