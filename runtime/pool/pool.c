#include "runtime/pool/pool.h"

#include "runtime/base/bitset.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_ALIGN 64
#define NEAR 16 /* slots: what is refused on arrival was taken that short ago */

/* One input or output: slot_count strides on the device and in pinned host memory. */
struct array {
    struct e2b_buffer *device, *pinned, *staging; /* staging: NULL unless staged */
    char *host;
    int64_t sample_bytes, stride_bytes;
};

/* A slot's record belongs to one party at a time: under the lock to the pool while it is FREE, then
 * to whom the slot was handed. Only the set of free slots is shared. */
struct e2b_pool {
    struct e2b_device *device;
    int slot_count, padding, input_count, output_count;
    struct array *inputs, *outputs;
    struct e2b_slot *slots;
    pthread_mutex_t lock;
    struct e2b_bitset unused; /* under lock */
    int cursor;               /* where the ring goes on; under lock */
    uint64_t gaps;            /* under lock */
};

#define BIT(state) (1u << E2B_SLOT_##state)

static const struct {
    const char *name;
    unsigned next; /* states that may follow */
} states[E2B_SLOT_STATE_COUNT] = {
    [E2B_SLOT_FREE] = {"FREE", 0}, /* e2b_pool_reserve takes it */
    [E2B_SLOT_FILLING] = {"FILLING", BIT(COPYING) | BIT(FREE)},
    [E2B_SLOT_COPYING] = {"COPYING", BIT(READY) | BIT(FREE)},
    [E2B_SLOT_READY] = {"READY", BIT(RUNNING) | BIT(FREE)},
    [E2B_SLOT_RUNNING] = {"RUNNING", BIT(DRAINING) | BIT(FREE)},
    [E2B_SLOT_DRAINING] = {"DRAINING", BIT(DONE) | BIT(FREE)},
    [E2B_SLOT_DONE] = {"DONE", BIT(FREE)},
};

const char *e2b_slot_state_name(enum e2b_slot_state state) {
    return states[state].name;
}

int64_t e2b_pool_align(const struct e2b_traits *traits) {
    return traits->base_align_bytes > MIN_ALIGN ? traits->base_align_bytes : MIN_ALIGN;
}

int64_t e2b_pool_stride(int64_t sample_bytes, int64_t align_bytes) {
    return (sample_bytes + align_bytes - 1) / align_bytes * align_bytes;
}

static enum e2b_status too_large(
    const struct e2b_pool *pool, int64_t stride_bytes, int64_t most_bytes, struct e2b_error *err) {
    long long fitting = most_bytes / stride_bytes - pool->padding;
    char way_out[64] = "use smaller batch sizes";
    if (fitting > 0)
        snprintf(way_out, sizeof way_out, "use at most %lld slots", fitting);
    return e2b_fail(err, E2B_TOO_LARGE,
        "%d slots of %lld bytes, and %d for padding, are more than the %lld bytes of a buffer that "
        "the device allows: %s",
        pool->slot_count, (long long)stride_bytes, pool->padding, (long long)most_bytes, way_out);
}

static enum e2b_status array_init(struct e2b_pool *pool, struct array *array, int64_t sample_bytes,
    int64_t align_bytes, struct e2b_error *err) {
    const struct e2b_device_ops *ops = pool->device->ops;
    int strides = pool->slot_count + pool->padding;
    if (sample_bytes < 1 || sample_bytes > INT64_MAX / 2 / strides - align_bytes)
        return e2b_fail(err, E2B_INVALID, "a sample of %lld bytes is outside 1..%lld",
            (long long)sample_bytes, (long long)(INT64_MAX / 2 / strides - align_bytes));
    array->sample_bytes = sample_bytes;
    array->stride_bytes = e2b_pool_stride(sample_bytes, align_bytes);
    int64_t bytes = array->stride_bytes * pool->slot_count,
            device_bytes = array->stride_bytes * strides,
            most = pool->device->traits.max_buffer_bytes;
    if (most > 0 && device_bytes > most)
        return too_large(pool, array->stride_bytes, most, err);
    if (ops->buffer_create(
            pool->device, E2B_MEMORY_DEVICE, (size_t)device_bytes, &array->device, err)
            != E2B_OK
        || ops->buffer_create(pool->device, E2B_MEMORY_PINNED, (size_t)bytes, &array->pinned, err)
            != E2B_OK)
        return err->status;
    array->host = ops->buffer_host(pool->device, array->pinned);
    return E2B_OK;
}

static void arrays_finish(struct e2b_device *device, struct array *arrays, int count) {
    for (int i = 0; arrays && i < count; i++) {
        device->ops->buffer_destroy(device, arrays[i].device);
        device->ops->buffer_destroy(device, arrays[i].pinned);
        device->ops->buffer_destroy(device, arrays[i].staging);
    }
    free(arrays);
}

static enum e2b_status check_spec(const struct e2b_pool_spec *spec, struct e2b_error *err) {
    if (spec->slot_count < 1 || spec->slot_count > 1 << 24)
        return e2b_fail(err, E2B_INVALID, "slots: %d is outside 1..%d", spec->slot_count, 1 << 24);
    if (spec->padding < 0 || spec->padding > 1 << 24)
        return e2b_fail(err, E2B_INVALID, "padding: %d is outside 0..%d", spec->padding, 1 << 24);
    if (spec->input_count < 1 || spec->output_count < 1)
        return e2b_fail(err, E2B_INVALID, "a pool needs inputs and outputs, not %d and %d",
            spec->input_count, spec->output_count);
    if (spec->align_bytes < 1 || spec->align_bytes > 1 << 30)
        return e2b_fail(err, E2B_INVALID, "slot alignment: %lld is outside 1..%d bytes",
            (long long)spec->align_bytes, 1 << 30);
    return E2B_OK;
}

static enum e2b_status build(
    struct e2b_pool *pool, const struct e2b_pool_spec *spec, struct e2b_error *err) {
    pool->inputs = calloc((size_t)spec->input_count, sizeof *pool->inputs);
    pool->outputs = calloc((size_t)spec->output_count, sizeof *pool->outputs);
    pool->slots = calloc((size_t)spec->slot_count, sizeof *pool->slots);
    if (!pool->inputs || !pool->outputs || !pool->slots
        || !e2b_bitset_init(&pool->unused, spec->slot_count))
        return e2b_fail_memory(err, "a slot pool");
    for (int i = 0; i < spec->slot_count; i++)
        e2b_bitset_add(&pool->unused, i);
    for (int i = 0; i < spec->input_count; i++)
        if (array_init(pool, &pool->inputs[i], spec->input_bytes[i], spec->align_bytes, err)
            != E2B_OK)
            return e2b_error_while(err, "making the slots of input %d", i);
    for (int i = 0; i < spec->output_count; i++)
        if (array_init(pool, &pool->outputs[i], spec->output_bytes[i], spec->align_bytes, err)
            != E2B_OK)
            return e2b_error_while(err, "making the slots of output %d", i);
    return E2B_OK;
}

enum e2b_status e2b_pool_create(struct e2b_device *device, const struct e2b_pool_spec *spec,
    struct e2b_pool **out, struct e2b_error *err) {
    if (check_spec(spec, err) != E2B_OK)
        return err->status;
    struct e2b_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return e2b_fail_memory(err, "a slot pool");
    pool->device = device;
    pool->slot_count = spec->slot_count;
    pool->padding = spec->padding;
    pool->input_count = spec->input_count;
    pool->output_count = spec->output_count;
    pthread_mutex_init(&pool->lock, NULL);
    if (build(pool, spec, err) != E2B_OK) {
        e2b_pool_destroy(pool);
        return err->status;
    }
    *out = pool;
    return E2B_OK;
}

void e2b_pool_destroy(struct e2b_pool *pool) {
    if (!pool)
        return;
    assert(pool->unused.count == pool->unused.capacity);
    arrays_finish(pool->device, pool->inputs, pool->input_count);
    arrays_finish(pool->device, pool->outputs, pool->output_count);
    e2b_bitset_finish(&pool->unused);
    pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool);
}

/* Where to look for the next of `count` slots: neighbours from the cursor on, else from the start,
 * else the next free one. */
static int find_free(const struct e2b_pool *pool, int count) {
    int slot = e2b_bitset_next_run(&pool->unused, pool->cursor, pool->slot_count, count);
    if (slot == pool->slot_count)
        slot = e2b_bitset_next_run(&pool->unused, 0, pool->slot_count, count);
    if (slot == pool->slot_count)
        slot = e2b_bitset_next(&pool->unused, pool->cursor);
    return slot < pool->slot_count ? slot : e2b_bitset_next(&pool->unused, 0);
}

static void enter(struct e2b_slot *slot, enum e2b_slot_state to, int64_t now_ns) {
    slot->state = to;
    slot->entered_ns[to] = now_ns;
}

static void take_slots(struct e2b_pool *pool, int count, int64_t now_ns, void *owner, int *slots) {
    int slot = find_free(pool, count);
    pool->gaps += slot != pool->cursor;
    for (int i = 0; i < count; i++) {
        if (slot >= pool->slot_count || !e2b_bitset_has(&pool->unused, slot)) {
            pool->cursor = slot % pool->slot_count;
            slot = find_free(pool, 1);
            pool->gaps++;
        }
        e2b_bitset_remove(&pool->unused, slot);
        enter(&pool->slots[slot], E2B_SLOT_FILLING, now_ns);
        pool->slots[slot].owner = owner;
        slots[i] = slot++;
    }
    pool->cursor = slot % pool->slot_count;
}

enum e2b_status e2b_pool_reserve(struct e2b_pool *pool, int count, int64_t now_ns, void *owner,
    int *slots, struct e2b_error *err) {
    if (count < 1 || count > pool->slot_count)
        return e2b_fail(err, E2B_INVALID, "%d samples are outside 1..%d, the slots of the pool",
            count, pool->slot_count);
    pthread_mutex_lock(&pool->lock);
    bool enough = pool->unused.count >= count;
    if (enough)
        take_slots(pool, count, now_ns, owner, slots);
    pthread_mutex_unlock(&pool->lock);
    if (!enough)
        return e2b_fail(err, E2B_BUSY, "all %d slots are in use, retry later", pool->slot_count);
    return E2B_OK;
}

/* Does slot lie a few places behind the cursor, with none free between them? */
static bool is_just_behind(const struct e2b_pool *pool, int slot) {
    int distance = (pool->cursor - slot + pool->slot_count) % pool->slot_count;
    for (int i = 1; i < distance && distance <= NEAR; i++)
        if (e2b_bitset_has(&pool->unused, (slot + i) % pool->slot_count))
            return false;
    return distance <= NEAR;
}

void e2b_pool_move(struct e2b_pool *pool, int slot, enum e2b_slot_state to, int64_t now_ns) {
    assert(slot >= 0 && slot < pool->slot_count);
    struct e2b_slot *record = &pool->slots[slot];
    assert(states[record->state].next & (1u << to));
    bool is_hole = record->state < E2B_SLOT_RUNNING;
    enter(record, to, now_ns);
    if (to != E2B_SLOT_FREE)
        return;
    record->owner = NULL;
    pthread_mutex_lock(&pool->lock);
    e2b_bitset_add(&pool->unused, slot);
    if (is_hole && is_just_behind(pool, slot))
        pool->cursor = slot;
    pthread_mutex_unlock(&pool->lock);
}

const struct e2b_slot *e2b_pool_slot(const struct e2b_pool *pool, int slot) {
    return &pool->slots[slot];
}

int e2b_pool_free_count(const struct e2b_pool *pool) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&pool->lock;
    pthread_mutex_lock(lock);
    int count = pool->unused.count;
    pthread_mutex_unlock(lock);
    return count;
}

uint64_t e2b_pool_gap_count(const struct e2b_pool *pool) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&pool->lock;
    pthread_mutex_lock(lock);
    uint64_t count = pool->gaps;
    pthread_mutex_unlock(lock);
    return count;
}

int e2b_pool_slot_count(const struct e2b_pool *pool) {
    return pool->slot_count;
}

int e2b_pool_padding(const struct e2b_pool *pool) {
    return pool->padding;
}

static int64_t total_stride(const struct array *arrays, int count) {
    int64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += arrays[i].stride_bytes;
    return bytes;
}

int64_t e2b_pool_device_bytes(const struct e2b_pool *pool) {
    return (pool->slot_count + pool->padding)
        * (total_stride(pool->inputs, pool->input_count)
            + total_stride(pool->outputs, pool->output_count));
}

void *e2b_pool_input_host(const struct e2b_pool *pool, int slot, int input) {
    const struct array *array = &pool->inputs[input];
    return array->host + slot * array->stride_bytes;
}

void *e2b_pool_output_host(const struct e2b_pool *pool, int slot, int output) {
    const struct array *array = &pool->outputs[output];
    return array->host + slot * array->stride_bytes;
}

struct e2b_buffer *e2b_pool_input_buffer(const struct e2b_pool *pool, int input) {
    return pool->inputs[input].device;
}

struct e2b_buffer *e2b_pool_output_buffer(const struct e2b_pool *pool, int output) {
    return pool->outputs[output].device;
}

int64_t e2b_pool_input_stride(const struct e2b_pool *pool, int input) {
    return pool->inputs[input].stride_bytes;
}

int64_t e2b_pool_output_stride(const struct e2b_pool *pool, int output) {
    return pool->outputs[output].stride_bytes;
}

static int64_t run_bytes(const struct array *array, int count) {
    return (count - 1) * array->stride_bytes + array->sample_bytes;
}

enum e2b_status e2b_pool_upload(struct e2b_pool *pool, int first, int count,
    struct e2b_queue *queue, struct e2b_event **event, struct e2b_error *err) {
    for (int i = 0; i < pool->input_count; i++) {
        const struct array *array = &pool->inputs[i];
        struct e2b_event **last = i == pool->input_count - 1 ? event : NULL;
        int64_t at = first * array->stride_bytes;
        if (pool->device->ops->enqueue_write(queue, array->device, (size_t)at, array->host + at,
                (size_t)run_bytes(array, count), last, err)
            != E2B_OK)
            return e2b_error_while(
                err, "uploading input %d of slots %d..%d", i, first, first + count - 1);
    }
    return E2B_OK;
}

enum e2b_status e2b_pool_download(struct e2b_pool *pool, int first, int count,
    struct e2b_queue *queue, struct e2b_event **event, struct e2b_error *err) {
    for (int i = 0; i < pool->output_count; i++) {
        const struct array *array = &pool->outputs[i];
        struct e2b_event **last = i == pool->output_count - 1 ? event : NULL;
        int64_t at = first * array->stride_bytes;
        if (pool->device->ops->enqueue_read(queue, array->device, (size_t)at, array->host + at,
                (size_t)run_bytes(array, count), last, err)
            != E2B_OK)
            return e2b_error_while(
                err, "downloading output %d of slots %d..%d", i, first, first + count - 1);
    }
    return E2B_OK;
}

enum e2b_status e2b_pool_stage(struct e2b_pool *pool, struct e2b_error *err) {
    for (int i = 0; i < pool->input_count; i++) {
        struct array *array = &pool->inputs[i];
        size_t bytes = (size_t)(array->stride_bytes * pool->slot_count);
        if (!array->staging
            && pool->device->ops->buffer_create(
                   pool->device, E2B_MEMORY_PINNED, bytes, &array->staging, err)
                != E2B_OK)
            return e2b_error_while(err, "staging input %d", i);
    }
    return E2B_OK;
}

enum e2b_status e2b_pool_gather(
    struct e2b_pool *pool, int first, int count, struct e2b_queue *queue, struct e2b_error *err) {
    const struct e2b_device_ops *ops = pool->device->ops;
    for (int i = 0; i < pool->input_count; i++) {
        const struct array *array = &pool->inputs[i];
        char *staging = ops->buffer_host(pool->device, array->staging);
        int64_t at = first * array->stride_bytes;
        for (int slot = first; slot < first + count; slot++)
            memcpy(staging + slot * array->stride_bytes, array->host + slot * array->stride_bytes,
                (size_t)array->sample_bytes);
        if (ops->enqueue_write(queue, array->device, (size_t)at, staging + at,
                (size_t)run_bytes(array, count), NULL, err)
            != E2B_OK)
            return e2b_error_while(
                err, "uploading input %d of slots %d..%d", i, first, first + count - 1);
    }
    return E2B_OK;
}
