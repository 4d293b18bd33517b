#include "runtime/engine/weights.h"

#include "runtime/model/constants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_CONSTANTS (sizeof(((struct e2b_packing *)0)->from) / sizeof(struct e2b_constant *))

struct entry {
    struct entry *next;
    char key[sizeof(((struct e2b_packing *)0)->key)];
    uint64_t ids[KEY_CONSTANTS];
    struct e2b_buffer *buffer;
};

struct e2b_weights {
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct entry *entries;
    int64_t bytes;
};

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
        weights->device->ops->buffer_destroy(weights->device, entry->buffer);
        free(entry);
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
    struct e2b_buffer *buffer, struct e2b_error *err) {
    const struct e2b_device_ops *ops = weights->device->ops;
    void *packed = malloc(packing->bytes);
    if (!packed)
        return no_memory(packing, packing->bytes, err);
    packing->pack(packing, packed);
    enum e2b_status status =
        ops->enqueue_write(weights->queue, buffer, 0, packed, packing->bytes, NULL, err);
    if (status == E2B_OK)
        status = ops->finish(weights->queue, err);
    free(packed);
    return status;
}

static enum e2b_status fill(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_buffer *buffer, struct e2b_error *err) {
    struct held held;
    if (hold(packing, &held, err) == E2B_OK) {
        if (weights->device->traits.host_unified)
            pack_in_place(weights, &held.packing, buffer, err);
        else
            pack_and_copy(weights, &held.packing, buffer, err);
    }
    let_go(&held);
    return err->status;
}

enum e2b_status e2b_weights_get(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_buffer **out, struct e2b_error *err) {
    struct e2b_device *device = weights->device;
    struct entry *entry = find(weights, packing);
    if (entry) {
        *out = entry->buffer;
        return E2B_OK;
    }
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return e2b_fail_memory(err, "a packed weight");
    if (device->ops->buffer_create(device, E2B_MEMORY_DEVICE, packing->bytes, &entry->buffer, err)
            != E2B_OK
        || fill(weights, packing, entry->buffer, err) != E2B_OK) {
        device->ops->buffer_destroy(device, entry->buffer);
        free(entry);
        return e2b_error_while(
            err, "placing weights on the device (%" PRId64 " bytes so far)", weights->bytes);
    }
    snprintf(entry->key, sizeof entry->key, "%s", packing->key);
    key_ids(packing, entry->ids);
    entry->next = weights->entries;
    weights->entries = entry;
    weights->bytes += (int64_t)packing->bytes;
    *out = entry->buffer;
    return E2B_OK;
}

static int by_size(const void *a, const void *b) {
    const struct e2b_packing *x = *(const struct e2b_packing *const *)a;
    const struct e2b_packing *y = *(const struct e2b_packing *const *)b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

enum e2b_status e2b_weights_get_all(struct e2b_weights *weights,
    const struct e2b_packing **packings, int count, struct e2b_error *err) {
    struct e2b_buffer *buffer;
    qsort(packings, (size_t)count, sizeof *packings, by_size);
    for (int i = 0; i < count; i++)
        if (e2b_weights_get(weights, packings[i], &buffer, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

int64_t e2b_weights_bytes(const struct e2b_weights *weights) {
    return weights->bytes;
}
