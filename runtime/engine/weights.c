#include "runtime/engine/weights.h"

#include "runtime/base/thread.h"
#include "runtime/model/constants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BLOCK_BYTES 65536
#define MAX_PACKERS 8 /* threads: each holds what it packs, and from what */
#define KEY_CONSTANTS (sizeof(((struct e2b_packing *)0)->from) / sizeof(struct e2b_constant *))

struct entry {
    struct entry *next;
    char key[sizeof(((struct e2b_packing *)0)->key)];
    uint64_t ids[KEY_CONSTANTS];
    int64_t bytes;
    struct e2b_packed packed;
};

struct block {
    struct block *next;
    struct e2b_buffer *buffer;
    size_t bytes, used;
};

struct e2b_weights {
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct entry *entries;
    struct block *blocks;
    int64_t bytes;
    size_t expected; /* bytes that will be asked for, with what aligns them */
};

static void free_entry(struct e2b_weights *weights, struct entry *entry) {
    weights->device->ops->buffer_destroy(weights->device, entry->packed.buffer);
    free(entry);
}

enum e2b_status e2b_weights_create(
    struct e2b_device *device, struct e2b_weights **out, struct e2b_error *err) {
    struct e2b_weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return e2b_fail_memory(err, "the weight store");
    weights->device = device;
    if (device->ops->queue_create(device, &weights->queue, err) != E2B_OK) {
        e2b_weights_destroy(weights);
        return err->status;
    }
    *out = weights;
    return E2B_OK;
}

void e2b_weights_destroy(struct e2b_weights *weights) {
    if (!weights)
        return;
    for (struct entry *entry = weights->entries, *next; entry; entry = next) {
        next = entry->next;
        free_entry(weights, entry);
    }
    for (struct block *block = weights->blocks, *next; block; block = next) {
        next = block->next;
        weights->device->ops->buffer_destroy(weights->device, block->buffer);
        free(block);
    }
    weights->device->ops->queue_destroy(weights->device, weights->queue);
    free(weights);
}

static void key_ids(const struct e2b_packing *packing, uint64_t *ids) {
    for (size_t i = 0; i < KEY_CONSTANTS; i++)
        ids[i] = packing->from[i] ? packing->from[i]->id : UINT64_MAX;
}

static struct entry *find(const struct e2b_weights *weights, const struct e2b_packing *packing) {
    uint64_t ids[KEY_CONSTANTS];
    key_ids(packing, ids);
    for (struct entry *entry = weights->entries; entry; entry = entry->next)
        if (!memcmp(entry->ids, ids, sizeof ids) && !strcmp(entry->key, packing->key))
            return entry;
    return NULL;
}

static enum e2b_status no_memory(
    const struct e2b_packing *packing, size_t bytes, struct e2b_error *err) {
    return e2b_fail(err, E2B_NO_MEMORY, "no host memory to pack weights \"%s\" (%zu bytes)",
        packing->key, bytes);
}

/* A packing whose constants are in memory for as long as it is used. */
struct held {
    struct e2b_packing packing;
    struct e2b_constant constants[KEY_CONSTANTS];
    void *data[KEY_CONSTANTS];
};

static enum e2b_status hold(
    const struct e2b_packing *packing, struct held *held, struct e2b_error *err) {
    *held = (struct held){.packing = *packing};
    for (size_t i = 0; i < KEY_CONSTANTS; i++) {
        const struct e2b_constant *from = packing->from[i];
        if (!from || from->data)
            continue;
        size_t bytes = (size_t)e2b_shape_count(&from->shape) * e2b_dtype_bytes(from->dtype);
        held->data[i] = malloc(bytes);
        if (!held->data[i])
            return no_memory(packing, bytes, err);
        if (e2b_constant_read(from, held->data[i], err) != E2B_OK)
            return err->status;
        held->constants[i] = *from;
        held->constants[i].data = held->data[i];
        held->packing.from[i] = &held->constants[i];
    }
    return E2B_OK;
}

static void let_go(struct held *held) {
    for (size_t i = 0; i < KEY_CONSTANTS; i++)
        free(held->data[i]);
}

/* Where the host reaches the device's memory, weights are packed in place and exist once. */
static enum e2b_status pack_in_place(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_buffer *buffer, struct e2b_error *err) {
    const struct e2b_device_ops *ops = weights->device->ops;
    void *to;
    if (ops->buffer_map(weights->device, buffer, &to, err) != E2B_OK)
        return err->status;
    packing->pack(packing, to);
    return ops->buffer_unmap(weights->device, buffer, to, err);
}

static enum e2b_status pack_and_copy(struct e2b_weights *weights, const struct e2b_packing *packing,
    const struct e2b_packed *place, struct e2b_error *err) {
    const struct e2b_device_ops *ops = weights->device->ops;
    void *packed = malloc(packing->bytes);
    if (!packed)
        return no_memory(packing, packing->bytes, err);
    packing->pack(packing, packed);
    enum e2b_status status = ops->enqueue_write(
        weights->queue, place->block, place->offset, packed, packing->bytes, NULL, err);
    if (status == E2B_OK)
        status = ops->finish(weights->queue, err);
    free(packed);
    return status;
}

static enum e2b_status fill(struct e2b_weights *weights, const struct e2b_packing *packing,
    const struct e2b_packed *place, struct e2b_error *err) {
    struct held held;
    if (hold(packing, &held, err) == E2B_OK) {
        if (weights->device->traits.host_unified)
            pack_in_place(weights, &held.packing, place->block, err);
        else
            pack_and_copy(weights, &held.packing, place, err);
    }
    let_go(&held);
    return err->status;
}

static size_t aligned(size_t bytes) {
    return (bytes + E2B_PART_ALIGN - 1) / E2B_PART_ALIGN * E2B_PART_ALIGN;
}

/* A block with room for so many bytes, new if there is none: NULL on failure. */
static struct block *find_block(struct e2b_weights *weights, size_t bytes, struct e2b_error *err) {
    struct e2b_device *device = weights->device;
    struct block *block = weights->blocks;
    while (block && block->bytes - block->used < bytes)
        block = block->next;
    if (block)
        return block;
    block = calloc(1, sizeof *block);
    if (!block) {
        e2b_fail_memory(err, "a block of weights");
        return NULL;
    }
    size_t most = (size_t)device->traits.max_buffer_bytes;
    block->bytes = weights->expected > LEAST_BLOCK_BYTES ? weights->expected : LEAST_BLOCK_BYTES;
    block->bytes = block->bytes < most ? block->bytes : most;
    block->bytes = block->bytes > bytes ? block->bytes : bytes;
    if (device->ops->buffer_create(device, E2B_MEMORY_DEVICE, block->bytes, &block->buffer, err)
        != E2B_OK) {
        free(block);
        return NULL;
    }
    block->next = weights->blocks;
    return weights->blocks = block;
}

/* In a block; but where the host packs in place, memory that it maps is a buffer of its own. */
static enum e2b_status place(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_packed *packed, struct e2b_error *err) {
    struct e2b_device *device = weights->device;
    if (device->traits.host_unified) {
        device->ops->buffer_create(device, E2B_MEMORY_DEVICE, packing->bytes, &packed->buffer, err);
        packed->block = packed->buffer;
        return err->status;
    }
    struct block *block = find_block(weights, aligned(packing->bytes), err);
    if (!block)
        return err->status;
    packed->block = block->buffer;
    packed->offset = block->used;
    block->used += aligned(packing->bytes);
    return E2B_OK;
}

/* The newest entry. */
static void drop(struct e2b_weights *weights) {
    struct entry *entry = weights->entries;
    weights->entries = entry->next;
    weights->bytes -= entry->bytes;
    free_entry(weights, entry);
}

/* A new entry that has its place, but is not packed yet. */
static enum e2b_status add(
    struct e2b_weights *weights, const struct e2b_packing *packing, struct e2b_error *err) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return e2b_fail_memory(err, "a packed weight");
    snprintf(entry->key, sizeof entry->key, "%s", packing->key);
    key_ids(packing, entry->ids);
    entry->bytes = (int64_t)packing->bytes;
    entry->next = weights->entries;
    weights->entries = entry;
    weights->bytes += entry->bytes;
    size_t taken = aligned(packing->bytes);
    if (place(weights, packing, &entry->packed, err) != E2B_OK)
        drop(weights);
    weights->expected -= taken < weights->expected ? taken : weights->expected;
    return err->status;
}

struct filling {
    struct e2b_weights *weights;
    const struct e2b_packing **packings; /* newest entry last */
    struct e2b_packed *places;
    pthread_mutex_t lock;
    struct e2b_error err;
};

static void fill_one(void *context, int which) {
    struct filling *filling = context;
    struct e2b_error err = {0};
    pthread_mutex_lock(&filling->lock);
    bool failed = filling->err.status != E2B_OK;
    pthread_mutex_unlock(&filling->lock);
    if (failed
        || fill(filling->weights, filling->packings[which], &filling->places[which], &err)
            == E2B_OK)
        return;
    pthread_mutex_lock(&filling->lock);
    if (filling->err.status == E2B_OK)
        filling->err = err;
    pthread_mutex_unlock(&filling->lock);
}

/* Entries for `count` packings that are new, or none. */
static enum e2b_status add_all(struct e2b_weights *weights, const struct e2b_packing **packings,
    int count, struct e2b_error *err) {
    struct filling filling = {.weights = weights,
        .packings = packings,
        .places = calloc((size_t)count + 1, sizeof *filling.places),
        .lock = PTHREAD_MUTEX_INITIALIZER};
    int added = 0;
    if (!filling.places)
        return e2b_fail_memory(err, "the places of weights");
    while (added < count && add(weights, packings[added], err) == E2B_OK)
        filling.places[added++] = weights->entries->packed;
    if (err->status == E2B_OK) {
        e2b_thread_share("e2b-pack", count, MAX_PACKERS, fill_one, &filling);
        if (filling.err.status != E2B_OK)
            *err = filling.err;
    }
    int64_t bytes = weights->bytes;
    while (err->status != E2B_OK && added-- > 0)
        drop(weights);
    pthread_mutex_destroy(&filling.lock);
    free(filling.places);
    return err->status == E2B_OK
        ? E2B_OK
        : e2b_error_while(err, "placing weights on the device (%" PRId64 " bytes in all)", bytes);
}

enum e2b_status e2b_weights_get(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_packed *out, struct e2b_error *err) {
    const struct entry *entry = find(weights, packing);
    if (!entry && add_all(weights, &packing, 1, err) != E2B_OK)
        return err->status;
    *out = (entry ? entry : weights->entries)->packed;
    return E2B_OK;
}

enum e2b_status e2b_weights_part(
    struct e2b_weights *weights, struct e2b_packed *packed, struct e2b_error *err) {
    struct e2b_device *device = weights->device;
    struct entry *entry = weights->entries;
    while (entry->packed.block != packed->block || entry->packed.offset != packed->offset)
        entry = entry->next;
    if (!entry->packed.buffer)
        device->ops->buffer_part(device, packed->block, packed->offset, (size_t)entry->bytes,
            &entry->packed.buffer, err);
    packed->buffer = entry->packed.buffer;
    return err->status;
}

static int by_size(const void *a, const void *b) {
    const struct e2b_packing *x = *(const struct e2b_packing *const *)a;
    const struct e2b_packing *y = *(const struct e2b_packing *const *)b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static bool same_packing(const struct e2b_packing *a, const struct e2b_packing *b) {
    uint64_t ids[2][KEY_CONSTANTS];
    key_ids(a, ids[0]);
    key_ids(b, ids[1]);
    return !memcmp(ids[0], ids[1], sizeof ids[0]) && !strcmp(a->key, b->key);
}

/* Whether it is there, or among `count` others. */
static bool is_known(const struct e2b_weights *weights, const struct e2b_packing *const *others,
    int count, const struct e2b_packing *packing) {
    for (int i = 0; i < count; i++)
        if (same_packing(others[i], packing))
            return true;
    return find(weights, packing);
}

enum e2b_status e2b_weights_get_all(struct e2b_weights *weights,
    const struct e2b_packing **packings, int count, struct e2b_error *err) {
    int made = 0;
    qsort(packings, (size_t)count, sizeof *packings, by_size);
    weights->expected = 0;
    for (int i = 0; i < count; i++)
        if (!is_known(weights, packings, made, packings[i])) {
            weights->expected += aligned(packings[i]->bytes);
            packings[made++] = packings[i];
        }
    add_all(weights, packings, made, err);
    weights->expected = 0;
    return err->status;
}

int64_t e2b_weights_bytes(const struct e2b_weights *weights) {
    return weights->bytes;
}
