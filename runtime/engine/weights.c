#include "runtime/engine/weights.h"

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

static enum e2b_status upload(struct e2b_weights *weights, const struct e2b_packing *packing,
    struct e2b_buffer *buffer, struct e2b_error *err) {
    const struct e2b_device_ops *ops = weights->device->ops;
    void *packed = malloc(packing->bytes);
    if (!packed)
        return e2b_fail(err, E2B_NO_MEMORY, "no host memory to pack weights \"%s\" (%zu bytes)",
            packing->key, packing->bytes);
    packing->pack(packing, packed);
    enum e2b_status status =
        ops->enqueue_write(weights->queue, buffer, 0, packed, packing->bytes, NULL, err);
    if (status == E2B_OK)
        status = ops->finish(weights->queue, err);
    free(packed);
    return status;
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
        || upload(weights, packing, entry->buffer, err) != E2B_OK) {
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

int64_t e2b_weights_bytes(const struct e2b_weights *weights) {
    return weights->bytes;
}
