#include "sched/heap.h"

#include <assert.h>
#include <stdlib.h>

bool e2b_sched_key_less(const struct e2b_sched_key *a, const struct e2b_sched_key *b) {
    if (a->first != b->first)
        return a->first < b->first;
    if (a->second != b->second)
        return a->second < b->second;
    return a->sequence < b->sequence;
}

bool e2b_sched_heap_init(struct e2b_sched_heap *heap, int capacity) {
    size_t count = (size_t)capacity;
    *heap = (struct e2b_sched_heap){
        .nodes = malloc(count * sizeof *heap->nodes),
        .place = malloc(count * sizeof *heap->place),
    };
    if (!heap->nodes || !heap->place) {
        e2b_sched_heap_finish(heap);
        return false;
    }
    for (int i = 0; i < capacity; i++)
        heap->place[i] = -1;
    return true;
}

void e2b_sched_heap_finish(struct e2b_sched_heap *heap) {
    free(heap->nodes);
    free(heap->place);
    *heap = (struct e2b_sched_heap){0};
}

static void put(struct e2b_sched_heap *heap, int index, const struct e2b_sched_heap_node *node) {
    heap->nodes[index] = *node;
    heap->place[node->number] = index;
}

/* A free place and a node that goes there or above it. */
static void rise(struct e2b_sched_heap *heap, int index, const struct e2b_sched_heap_node *node) {
    while (index > 0 && e2b_sched_key_less(&node->key, &heap->nodes[(index - 1) / 2].key)) {
        put(heap, index, &heap->nodes[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(heap, index, node);
}

/* The least goes up into the free place, down to the bottom; the node, which comes from there, then
 * seldom has to rise. */
static void sink(struct e2b_sched_heap *heap, int index, const struct e2b_sched_heap_node *node) {
    for (int child = 2 * index + 1; child < heap->count; child = 2 * index + 1) {
        if (child + 1 < heap->count
            && e2b_sched_key_less(&heap->nodes[child + 1].key, &heap->nodes[child].key))
            child++;
        put(heap, index, &heap->nodes[child]);
        index = child;
    }
    rise(heap, index, node);
}

void e2b_sched_heap_add(struct e2b_sched_heap *heap, int number, const struct e2b_sched_key *key) {
    const struct e2b_sched_heap_node node = {*key, number};
    assert(heap->place[number] < 0);
    rise(heap, heap->count++, &node);
}

void e2b_sched_heap_remove(struct e2b_sched_heap *heap, int number) {
    int index = heap->place[number];
    assert(index >= 0);
    heap->place[number] = -1;
    const struct e2b_sched_heap_node last = heap->nodes[--heap->count];
    if (index < heap->count)
        sink(heap, index, &last);
}

int e2b_sched_heap_least(const struct e2b_sched_heap *heap) {
    return heap->count ? heap->nodes[0].number : -1;
}

const struct e2b_sched_key *e2b_sched_heap_key(const struct e2b_sched_heap *heap, int number) {
    return &heap->nodes[heap->place[number]].key;
}
