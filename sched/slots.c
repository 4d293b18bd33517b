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
        && e2b_bitset_init(&slots->held, model->slot_count))
        return true;
    e2b_sched_slots_finish(slots);
    return false;
}

void e2b_sched_slots_finish(struct e2b_sched_slots *slots) {
    e2b_sched_waiting_finish(&slots->waiting);
    e2b_bitset_finish(&slots->written);
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
            *out = (struct e2b_sched_batch){first, count, i, -1};
            return true;
        }
        if (size <= count)
            filled = i;
    }
    if (filled < 0)
        return false;
    int size = instances->sizes[filled];
    first = head < first + size ? first : head - size + 1;
    *out = (struct e2b_sched_batch){first, size, filled, -1};
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
        .size_index = batch->size_index,
        .instance = batch->instance};
    e2b_sched_waiting_remove_run(&slots->waiting, batch->first, batch->count);
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
