/* Device-resident slots of one model on one device: where a request's inputs arrive and its outputs
 * leave. Each input and each output is one device buffer of slot_count strides, mirrored by pinned
 * host memory, so that any run of neighbouring slots is a batch without a copy.
 *
 * A slot moves FREE -> FILLING -> COPYING -> READY -> RUNNING -> DRAINING -> DONE -> FREE, or back
 * to FREE from any state in which the device does not use it. e2b_pool_move is the only place that
 * changes a state; it stamps the time. Reserve and release may be called by any thread; the other
 * moves belong to whoever owns the slot in that state (see ARCHITECTURE.md, threads). */
#ifndef E2B_POOL_POOL_H
#define E2B_POOL_POOL_H

#include "backends/device.h"
#include "kernels/tensor.h"

enum e2b_slot_state {
    E2B_SLOT_FREE,
    E2B_SLOT_FILLING,  /* a reader writes the pinned input */
    E2B_SLOT_COPYING,  /* on its way to the device */
    E2B_SLOT_READY,    /* waits for a batch */
    E2B_SLOT_RUNNING,  /* part of a batch */
    E2B_SLOT_DRAINING, /* output on its way to the host */
    E2B_SLOT_DONE,     /* output is in pinned memory, being answered */
    E2B_SLOT_STATE_COUNT
};

const char *e2b_slot_state_name(enum e2b_slot_state state);

struct e2b_pool_spec {
    int slot_count;
    int input_count, output_count;
    const int64_t *input_bytes, *output_bytes; /* of one sample */
    int64_t align_bytes;                       /* strides are multiples of it */
    int padding; /* strides behind the last slot, on the device only, which no request gets: so that
                  * a batch that begins near the end may be larger than what is left of the ring */
};

struct e2b_slot {
    enum e2b_slot_state state;
    int64_t entered_ns[E2B_SLOT_STATE_COUNT]; /* last time it entered each state */
    void *owner;                              /* the request */
};

struct e2b_pool;

enum e2b_status e2b_pool_create(struct e2b_device *device, const struct e2b_pool_spec *spec,
    struct e2b_pool **out, struct e2b_error *err);
void e2b_pool_destroy(struct e2b_pool *pool); /* all slots are FREE */

/* What strides on a device are to be multiples of, in bytes. */
int64_t e2b_pool_align(const struct e2b_traits *traits);
/* Bytes one sample takes with its stride: for graphs and for telling how large a pool may be. */
int64_t e2b_pool_stride(int64_t sample_bytes, int64_t align_bytes);

/* Reserve count slots for owner: neighbours if it can, in ring order, so that what arrives together
 * lies together; a slot that was given back before it ran is taken again first, as it lies between
 * others that wait. Never blocks; BUSY names the pool's size when fewer are free (none is taken
 * then), INVALID when count exceeds the pool. slots receives their numbers. FREE -> FILLING at
 * now_ns. */
enum e2b_status e2b_pool_reserve(struct e2b_pool *pool, int count, int64_t now_ns, void *owner,
    int *slots, struct e2b_error *err);

/* The one state change. An illegal move is our own bug and asserts. To FREE it releases the slot.
 */
void e2b_pool_move(struct e2b_pool *pool, int slot, enum e2b_slot_state to, int64_t now_ns);

const struct e2b_slot *e2b_pool_slot(const struct e2b_pool *pool, int slot);
int e2b_pool_free_count(const struct e2b_pool *pool);
/* How often a reservation could not go on where the one before it ended, because the slots there
 * were busy or too few: what lies behind such a gap is no neighbour of what lies before it. */
uint64_t e2b_pool_gap_count(const struct e2b_pool *pool);
int e2b_pool_slot_count(const struct e2b_pool *pool);
int e2b_pool_padding(const struct e2b_pool *pool); /* as in the specification */
int64_t e2b_pool_device_bytes(const struct e2b_pool *pool);

/* Where slot's input or output lies: pinned host address, and device buffer + byte offset. */
void *e2b_pool_input_host(const struct e2b_pool *pool, int slot, int input);
void *e2b_pool_output_host(const struct e2b_pool *pool, int slot, int output);
struct e2b_buffer *e2b_pool_input_buffer(const struct e2b_pool *pool, int input);
struct e2b_buffer *e2b_pool_output_buffer(const struct e2b_pool *pool, int output);
int64_t e2b_pool_input_stride(const struct e2b_pool *pool, int input);   /* bytes */
int64_t e2b_pool_output_stride(const struct e2b_pool *pool, int output); /* bytes */

/* Enqueue the copies of a run's inputs, or of its outputs: one copy an input or output, as the
 * run's slots are neighbours. event is that of the last copy. */
enum e2b_status e2b_pool_upload(struct e2b_pool *pool, int first, int count,
    struct e2b_queue *queue, struct e2b_event **event, struct e2b_error *err);
enum e2b_status e2b_pool_download(struct e2b_pool *pool, int first, int count,
    struct e2b_queue *queue, struct e2b_event **event, struct e2b_error *err);

/* For comparison: inputs travel as in servers without slots on the device. e2b_pool_stage takes
 * pinned memory for that, once; e2b_pool_gather copies the inputs of a run together on the host and
 * enqueues one copy of each to the device. */
enum e2b_status e2b_pool_stage(struct e2b_pool *pool, struct e2b_error *err);
enum e2b_status e2b_pool_gather(
    struct e2b_pool *pool, int first, int count, struct e2b_queue *queue, struct e2b_error *err);

#endif
