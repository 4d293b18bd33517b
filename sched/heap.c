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
        .keys = malloc(count * sizeof *heap->keys),
        .order = malloc(count * sizeof *heap->order),
        .place = malloc(count * sizeof *heap->place),
    };
    if (!heap->keys || !heap->order || !heap->place) {
        e2b_sched_heap_finish(heap);
        return false;
    }
    for (int i = 0; i < capacity; i++)
        heap->place[i] = -1;
    return true;
}

void e2b_sched_heap_finish(struct e2b_sched_heap *heap) {
    free(heap->keys);
    free(heap->order);
    free(heap->place);
    *heap = (struct e2b_sched_heap){0};
}

static bool less(const struct e2b_sched_heap *heap, int a, int b) {
    return e2b_sched_key_less(&heap->keys[heap->order[a]], &heap->keys[heap->order[b]]);
}

static void put(struct e2b_sched_heap *heap, int index, int number) {
    heap->order[index] = number;
    heap->place[number] = index;
}

static void swap(struct e2b_sched_heap *heap, int a, int b) {
    int number = heap->order[a];
    put(heap, a, heap->order[b]);
    put(heap, b, number);
}

static void rise(struct e2b_sched_heap *heap, int index) {
    for (; index > 0 && less(heap, index, (index - 1) / 2); index = (index - 1) / 2)
        swap(heap, index, (index - 1) / 2);
}

static void sink(struct e2b_sched_heap *heap, int index) {
    for (;;) {
        int least = index;
        for (int child = 2 * index + 1; child <= 2 * index + 2 && child < heap->count; child++)
            if (less(heap, child, least))
                least = child;
        if (least == index)
            return;
        swap(heap, index, least);
        index = least;
    }
}

void e2b_sched_heap_add(struct e2b_sched_heap *heap, int number, const struct e2b_sched_key *key) {
    assert(heap->place[number] < 0);
    heap->keys[number] = *key;
    put(heap, heap->count, number);
    rise(heap, heap->count++);
}

void e2b_sched_heap_remove(struct e2b_sched_heap *heap, int number) {
    int index = heap->place[number];
    assert(index >= 0);
    heap->place[number] = -1;
    if (index == --heap->count)
        return;
    put(heap, index, heap->order[heap->count]);
    rise(heap, index);
    sink(heap, index);
}

int e2b_sched_heap_least(const struct e2b_sched_heap *heap) {
    return heap->count ? heap->order[0] : -1;
}
