/* Barriers in a group's memory, and copies that arrive at them. What hardware keeps in a barrier's
 * 8 bytes is its own affair: here it is the struct below. Semantics: PTX ISA, "Asynchronous
 * Barrier". */
#include "tests/ptx/machine.h"

#include <string.h>

#define EXEC(name) static void name(struct ptx_thread *t, const struct ptx_inst *i)
#define OP(n) (&i->operands[n])
#define GET(n) ptx_get(t, OP(n))
#define MOST_ARRIVALS 0xfffff /* memory that nobody has written reads as more */

struct mbarrier {
    uint64_t phase : 1, pending : 20, expected : 21;
    int64_t bytes : 22; /* that copies still bring in this phase */
};
_Static_assert(sizeof(struct mbarrier) == 8, "as large as the hardware's");

static bool load(
    struct ptx_thread *t, const struct ptx_inst *i, uint32_t at, struct mbarrier *barrier) {
    const unsigned char *memory = ptx_shared(t, i, at, sizeof *barrier);
    if (!memory)
        return false;
    memcpy(barrier, memory, sizeof *barrier);
    if (at % sizeof *barrier || barrier->expected == 0 || barrier->expected > MOST_ARRIVALS)
        ptx_fail(t, i, "not a barrier", at);
    return !ptx_failed(t);
}

static void keep(
    struct ptx_thread *t, const struct ptx_inst *i, uint32_t at, const struct mbarrier *barrier) {
    unsigned char *memory = ptx_shared(t, i, at, sizeof *barrier);
    if (memory)
        memcpy(memory, barrier, sizeof *barrier);
}

/* The phase ends with the last arrival, once all bytes are there. */
static void change(struct ptx_thread *t, const struct ptx_inst *i, uint32_t at, uint32_t arrivals,
    int64_t more_bytes) {
    struct mbarrier barrier;
    if (!load(t, i, at, &barrier))
        return;
    if (arrivals > barrier.pending) {
        ptx_fail(t, i, "more arrivals than the barrier expects", at);
        return;
    }
    barrier.pending -= arrivals;
    barrier.bytes += more_bytes;
    if (barrier.pending == 0 && barrier.bytes == 0) {
        barrier.phase ^= 1;
        barrier.pending = barrier.expected;
    }
    keep(t, i, at, &barrier);
}

EXEC(init) {
    uint64_t count = GET(1);
    struct mbarrier barrier = {.pending = count & MOST_ARRIVALS, .expected = count & MOST_ARRIVALS};
    if (count == 0 || count > MOST_ARRIVALS)
        ptx_fail(t, i, "a barrier of so many arrivals", count);
    keep(t, i, (uint32_t)ptx_address(t, OP(0)), &barrier);
}

/* mbarrier.arrive(.expect_tx).shared.b64 state, [barrier](, bytes or arrivals) */
EXEC(arrive) {
    bool expects = ptx_has(i, ".expect_tx");
    uint64_t number = i->count > 2 ? GET(2) : 1;
    change(t, i, (uint32_t)ptx_address(t, OP(1)), expects ? 1 : (uint32_t)number,
        expects ? (int64_t)number : 0);
}

static void do_bulk(struct ptx_thread *t, const struct ptx_inst *i, const struct ptx_bulk *copy) {
    unsigned char *to = ptx_shared(t, i, copy->to, copy->bytes);
    const unsigned char *from = ptx_global(t, i, copy->from, copy->bytes);
    if (!to || !from)
        return;
    memmove(to, from, copy->bytes);
    change(t, i, copy->barrier, 0, -(int64_t)copy->bytes);
}

/* cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [to], [from], bytes, [barrier]
 */
void ptx_copy_bulk(struct ptx_thread *t, const struct ptx_inst *i) {
    struct ptx_group *group = t->group;
    struct ptx_bulk copy = {(uint32_t)ptx_address(t, OP(0)), (uint32_t)GET(2),
        (uint32_t)ptx_address(t, OP(3)), ptx_address(t, OP(1))};
    if (!ptx_has(i, ".mbarrier::complete_tx::bytes"))
        ptx_fail(t, i, "a bulk copy unknown here", 0);
    else if (copy.to % 16 || copy.from % 16 || copy.bytes % 16)
        ptx_fail(t, i, "misaligned address", copy.from);
    else if (!group->launch->late)
        do_bulk(t, i, &copy);
    else if (group->bulk_count == PTX_MAX_BULKS)
        ptx_fail(t, i, "too many copies under way", PTX_MAX_BULKS);
    else
        group->bulks[group->bulk_count++] = copy;
}

/* cp.async.mbarrier.arrive.noinc.shared.b64 [barrier]: when this thread's copies are there. */
void ptx_copies_arrive(struct ptx_thread *t, const struct ptx_inst *i) {
    struct ptx_arrival arrival = {(uint32_t)ptx_address(t, OP(0)), t->copy_number};
    if (!ptx_has(i, ".noinc"))
        ptx_fail(t, i, "an arrival unknown here", 0);
    else if (!t->group->launch->late)
        change(t, i, arrival.barrier, 1, 0);
    else if (t->arrival_count == PTX_MAX_ARRIVALS)
        ptx_fail(t, i, "too many arrivals under way", PTX_MAX_ARRIVALS);
    else
        t->arrivals[t->arrival_count++] = arrival;
}

/* What is under way to the barrier comes to it. */
static void settle(struct ptx_thread *t, const struct ptx_inst *i, uint32_t barrier) {
    struct ptx_group *group = t->group;
    int kept = 0;
    for (int k = 0; k < group->bulk_count; k++)
        if (group->bulks[k].barrier == barrier)
            do_bulk(t, i, &group->bulks[k]);
        else
            group->bulks[kept++] = group->bulks[k];
    group->bulk_count = kept;
    for (int n = 0; n < group->thread_count; n++) {
        struct ptx_thread *other = &group->threads[n];
        kept = 0;
        for (int k = 0; k < other->arrival_count; k++)
            if (other->arrivals[k].barrier == barrier) {
                ptx_finish_copies_before(other, other->arrivals[k].copy_number);
                change(t, i, barrier, 1, 0);
            } else {
                other->arrivals[kept++] = other->arrivals[k];
            }
        other->arrival_count = kept;
    }
}

static bool phase_ended(struct ptx_thread *t, const struct ptx_inst *i) {
    struct mbarrier barrier;
    uint32_t at = (uint32_t)ptx_address(t, OP(1));
    return load(t, i, at, &barrier) && barrier.phase != (GET(2) & 1);
}

/* What is under way to the barrier is late no longer when somebody waits there. */
static bool may_go_on(struct ptx_thread *t, const struct ptx_inst *i) {
    if (!phase_ended(t, i))
        settle(t, i, (uint32_t)ptx_address(t, OP(1)));
    return !ptx_failed(t) && phase_ended(t, i);
}

bool ptx_may_go_on(struct ptx_thread *t) {
    return may_go_on(t, &t->group->program->insts[t->pc]);
}

/* mbarrier.try_wait.parity.shared.b64 p, [barrier], parity: the thread sleeps until the phase ends,
 * then comes here once more. */
EXEC(try_wait) {
    if (may_go_on(t, i)) {
        ptx_set(t, OP(0), 1);
    } else {
        t->state = PTX_AT_MBARRIER;
        t->pc--;
    }
}

void ptx_mbarrier(struct ptx_thread *t, const struct ptx_inst *i) {
    if (ptx_has(i, ".init"))
        init(t, i);
    else if (ptx_has(i, ".arrive"))
        arrive(t, i);
    else if (ptx_has(i, ".try_wait") && ptx_has(i, ".parity"))
        try_wait(t, i);
    else
        ptx_fail(t, i, "an operation unknown here", 0);
}
