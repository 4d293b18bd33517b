#include "sched/waiting.h"

bool e2b_sched_waiting_init(struct e2b_sched_waiting *waiting, int slot_count) {
    *waiting = (struct e2b_sched_waiting){0};
    if (e2b_bitset_init(&waiting->slots, slot_count)
        && e2b_sched_heap_init(&waiting->by_due, slot_count)
        && e2b_sched_heap_init(&waiting->by_deadline, slot_count))
        return true;
    e2b_sched_waiting_finish(waiting);
    return false;
}

void e2b_sched_waiting_finish(struct e2b_sched_waiting *waiting) {
    e2b_bitset_finish(&waiting->slots);
    e2b_sched_heap_finish(&waiting->by_due);
    e2b_sched_heap_finish(&waiting->by_deadline);
}

void e2b_sched_waiting_add(struct e2b_sched_waiting *waiting, int slot, int priority,
    int64_t due_ns, int64_t deadline_ns) {
    uint64_t sequence = waiting->sequence++;
    e2b_bitset_add(&waiting->slots, slot);
    e2b_sched_heap_add(&waiting->by_due, slot, &(struct e2b_sched_key){priority, due_ns, sequence});
    if (deadline_ns != INT64_MAX)
        e2b_sched_heap_add(
            &waiting->by_deadline, slot, &(struct e2b_sched_key){deadline_ns, 0, sequence});
}

void e2b_sched_waiting_remove(struct e2b_sched_waiting *waiting, int slot) {
    e2b_bitset_remove(&waiting->slots, slot);
    e2b_sched_heap_remove(&waiting->by_due, slot);
    if (waiting->by_deadline.place[slot] >= 0)
        e2b_sched_heap_remove(&waiting->by_deadline, slot);
}

void e2b_sched_waiting_remove_run(struct e2b_sched_waiting *waiting, int first, int count) {
    for (int slot = first; slot < first + count; slot++)
        e2b_sched_waiting_remove(waiting, slot);
}

int e2b_sched_waiting_head(const struct e2b_sched_waiting *waiting) {
    return e2b_sched_heap_least(&waiting->by_due);
}

const struct e2b_sched_key *e2b_sched_waiting_key(
    const struct e2b_sched_waiting *waiting, int slot) {
    return e2b_sched_heap_key(&waiting->by_due, slot);
}

int64_t e2b_sched_waiting_deadline(const struct e2b_sched_waiting *waiting, int *slot) {
    *slot = e2b_sched_heap_least(&waiting->by_deadline);
    return *slot < 0 ? INT64_MAX : waiting->by_deadline.nodes[0].key.first;
}

int e2b_sched_waiting_run(const struct e2b_sched_waiting *waiting, int slot, int most, int *count) {
    const struct e2b_bitset *slots = &waiting->slots;
    int first = slot, end = slot + 1;
    while (end - first < most && end < slots->capacity && e2b_bitset_has(slots, end))
        end++;
    while (end - first < most && first > 0 && e2b_bitset_has(slots, first - 1))
        first--;
    *count = end - first;
    return first;
}

int e2b_sched_waiting_find(const struct e2b_sched_waiting *waiting, int from, int length) {
    const struct e2b_bitset *slots = &waiting->slots;
    int capacity = slots->capacity, until = from + E2B_WAITING_REACH;
    int first = e2b_bitset_next_run(slots, from, until < capacity ? until : capacity, length);
    if (first == capacity && until > capacity)
        first = e2b_bitset_next_run(
            slots, 0, until < 2 * capacity ? until - capacity : capacity, length);
    return first == capacity ? -1 : first;
}
