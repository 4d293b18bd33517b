#include "sched/slots.h"

#include <stdlib.h>

bool e2b_sched_slots_init(struct e2b_sched_slots *slots, const struct e2b_sched_model *model) {
    *slots = (struct e2b_sched_slots){0};
    e2b_sched_instances_init(&slots->instances, model);
    slots->padding = model->padding;
    slots->held_keys = calloc((size_t)model->slot_count, sizeof *slots->held_keys);
    slots->firsts = calloc((size_t)model->size_count, sizeof *slots->firsts);
    if (slots->held_keys && slots->firsts
        && e2b_sched_waiting_init(&slots->waiting, model->slot_count)
        && e2b_bitset_init(&slots->written, model->slot_count)
        && e2b_bitset_init(&slots->running, model->slot_count)
        && e2b_bitset_init(&slots->held, model->slot_count))
        return true;
    e2b_sched_slots_finish(slots);
    return false;
}

void e2b_sched_slots_finish(struct e2b_sched_slots *slots) {
    e2b_sched_waiting_finish(&slots->waiting);
    e2b_bitset_finish(&slots->written);
    e2b_bitset_finish(&slots->running);
    e2b_bitset_finish(&slots->held);
    free(slots->held_keys);
    free(slots->firsts);
}

void e2b_sched_slots_ready(
    struct e2b_sched_slots *slots, int slot, int priority, int64_t due_ns, int64_t deadline_ns) {
    if (!e2b_bitset_has(&slots->written, slot)) {
        e2b_sched_waiting_add(&slots->waiting, slot, priority, due_ns, deadline_ns);
        return;
    }
    e2b_bitset_add(&slots->held, slot);
    slots->held_keys[slot] = (struct e2b_sched_held){priority, due_ns, deadline_ns};
}

void e2b_sched_slots_withdraw(struct e2b_sched_slots *slots, int slot) {
    if (e2b_bitset_has(&slots->held, slot))
        e2b_bitset_remove(&slots->held, slot);
    else
        e2b_sched_waiting_remove(&slots->waiting, slot);
}

/* Of the slots that a batch writes, without the padding behind the last one. */
static int end_of(const struct e2b_sched_slots *slots, int first, int size_index) {
    int end = first + slots->instances.sizes[size_index];
    return end < slots->written.capacity ? end : slots->written.capacity;
}

void e2b_sched_slots_completed(struct e2b_sched_slots *slots, int size_index, int instance) {
    int first = slots->firsts[size_index][instance];
    e2b_sched_instances_give(&slots->instances, size_index, instance);
    slots->in_flight--;
    int end = end_of(slots, first, size_index);
    for (int slot = first; slot < end; slot++) {
        e2b_bitset_remove(&slots->written, slot);
        if (e2b_bitset_has(&slots->running, slot))
            e2b_bitset_remove(&slots->running, slot);
        if (!e2b_bitset_has(&slots->held, slot))
            continue;
        const struct e2b_sched_held *key = &slots->held_keys[slot];
        e2b_bitset_remove(&slots->held, slot);
        e2b_sched_waiting_add(&slots->waiting, slot, key->priority, key->due_ns, key->deadline_ns);
    }
}

int e2b_sched_slots_waiting(const struct e2b_sched_slots *slots) {
    return slots->waiting.slots.count + slots->held.count;
}

bool e2b_sched_slots_can_pad(const struct e2b_sched_slots *slots, int from, int to) {
    int last = to < slots->written.capacity ? to : slots->written.capacity;
    return to - last <= slots->padding && e2b_bitset_next(&slots->waiting.slots, from) >= last
        && e2b_bitset_next(&slots->written, from) >= last;
}

/* The slots around `slot` that no running batch writes, as far as a batch of that size reaches. */
static void free_around(
    const struct e2b_sched_slots *slots, int slot, int size, int *first, int *end) {
    int capacity = slots->written.capacity, last = slot + size;
    *first = slot;
    while (*first > 0 && slot - *first < size - 1 && !e2b_bitset_has(&slots->written, *first - 1))
        --*first;
    *end = last < capacity + slots->padding ? last : capacity + slots->padding;
    if (e2b_bitset_count_in(&slots->written, slot, last < capacity ? last : capacity) > 0)
        *end = e2b_bitset_next(&slots->written, slot);
}

static bool waits(const struct e2b_sched_slots *slots, int slot) {
    return slot < slots->written.capacity && e2b_bitset_has(&slots->waiting.slots, slot);
}

bool e2b_sched_slots_window(
    const struct e2b_sched_slots *slots, int slot, int size_index, struct e2b_sched_batch *out) {
    int size = slots->instances.sizes[size_index], low, end, count = 0;
    free_around(slots, slot, size, &low, &end);
    *out = (struct e2b_sched_batch){.size_index = size_index, .instance = -1};
    int first = end - size < slot ? end - size : slot;
    for (int i = first > low ? first : low; i < first + size; i++)
        count += waits(slots, i);
    for (; first >= low && out->count < size; first--) {
        if (waits(slots, first) && count > out->count) {
            out->first = first;
            out->count = count;
        }
        if (first > low)
            count += waits(slots, first - 1) - waits(slots, first + size - 1);
    }
    if (out->count == 0)
        return false;
    out->span = size;
    while (!waits(slots, out->first + out->span - 1))
        out->span--;
    return true;
}

bool e2b_sched_slots_form(
    const struct e2b_sched_slots *slots, int most, struct e2b_sched_batch *out) {
    const struct e2b_sched_instances *instances = &slots->instances;
    int head = e2b_sched_waiting_head(&slots->waiting), filled = -1, count;
    if (head < 0)
        return false;
    int first = e2b_sched_waiting_run(&slots->waiting, head, most, &count);
    for (int i = 0; i < instances->size_count; i++) {
        int size = instances->sizes[i];
        if (!e2b_sched_instances_free(instances, i))
            continue;
        if (size >= count && e2b_sched_slots_can_pad(slots, first + count, first + size)) {
            *out = (struct e2b_sched_batch){first, count, count, i, -1};
            return true;
        }
        if (size <= count)
            filled = i;
    }
    if (filled < 0)
        return false;
    int size = instances->sizes[filled];
    first = head < first + size ? first : head - size + 1;
    *out = (struct e2b_sched_batch){first, size, size, filled, -1};
    return true;
}

struct e2b_sched_action *e2b_sched_slots_run(struct e2b_sched_slots *slots, int model,
    enum e2b_sched_reason reason, struct e2b_sched_batch *batch,
    struct e2b_sched_actions *actions) {
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return NULL;
    batch->instance = e2b_sched_instances_take(&slots->instances, batch->size_index);
    *action = (struct e2b_sched_action){.kind = E2B_SCHED_RUN,
        .reason = reason,
        .model = model,
        .first = batch->first,
        .count = batch->count,
        .span = batch->span,
        .size_index = batch->size_index,
        .instance = batch->instance};
    for (int slot = batch->first; slot < batch->first + batch->span; slot++)
        if (e2b_bitset_has(&slots->waiting.slots, slot)) {
            e2b_sched_waiting_remove(&slots->waiting, slot);
            e2b_bitset_add(&slots->running, slot);
        }
    slots->firsts[batch->size_index][batch->instance] = batch->first;
    int end = end_of(slots, batch->first, batch->size_index);
    for (int slot = batch->first; slot < end; slot++)
        e2b_bitset_add(&slots->written, slot);
    slots->in_flight++;
    return action;
}

bool e2b_sched_slots_reject(struct e2b_sched_slots *slots, int model, enum e2b_sched_reason reason,
    int slot, struct e2b_sched_actions *actions) {
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return false;
    *action = (struct e2b_sched_action){
        .kind = E2B_SCHED_REJECT, .reason = reason, .model = model, .first = slot, .count = 1};
    e2b_sched_slots_withdraw(slots, slot);
    return true;
}
