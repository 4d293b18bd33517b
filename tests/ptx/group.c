/* Memory and turns of threads, warps and groups. */
#include "tests/ptx/machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE 50000 /* instructions of a thread, before others have their turn */

bool ptx_failed(const struct ptx_thread *thread) {
    return thread->group->err->status != E2B_OK;
}

void ptx_fail(
    struct ptx_thread *thread, const struct ptx_inst *inst, const char *what, uint64_t value) {
    if (!ptx_failed(thread))
        e2b_fail(thread->group->err, E2B_DEVICE, "%s: %s: %s: 0x%llx (group %u %u, thread %u)",
            thread->group->program->entry, inst->name, what, (unsigned long long)value,
            thread->group->id[0], thread->group->id[1], thread->index);
}

bool ptx_has(const struct ptx_inst *inst, const char *part) {
    const char *at = strstr(inst->name, part);
    size_t length = strlen(part);
    return at && (part[length - 1] == '.' || at[length] == '.' || at[length] == '\0');
}

/* A clock that is as slow as the machine: what it says are ns, is us. */
static uint64_t slow_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static uint64_t special(const struct ptx_thread *thread, uint64_t which) {
    const struct ptx_launch *launch = thread->group->launch;
    const uint32_t *n = launch->threads;
    const uint32_t tid[3] = {
        thread->index % n[0], thread->index / n[0] % n[1], thread->index / n[0] / n[1]};
    switch (which / 3) {
    case 0:
        return tid[which % 3];
    case 1:
        return n[which % 3];
    case 2:
        return thread->group->id[which % 3];
    case 3:
        return launch->groups[which % 3];
    default:
        return which == 12 ? thread->index % PTX_WARP
            : which == 13  ? thread->index / PTX_WARP
            : which == 14  ? thread->group->id[0] % (uint32_t)launch->resident
                           : (uint32_t)slow_time();
    }
}

uint64_t ptx_get(struct ptx_thread *thread, const struct ptx_operand *operand) {
    uint64_t value = operand->kind == PTX_REGISTER ? thread->regs[operand->reg]
        : operand->kind == PTX_SPECIAL             ? special(thread, operand->value)
                                                   : operand->value;
    return operand->negated ? !value : value;
}

void ptx_set(struct ptx_thread *thread, const struct ptx_operand *operand, uint64_t value) {
    if (operand->kind == PTX_REGISTER)
        thread->regs[operand->reg] = value;
}

float ptx_get_float(struct ptx_thread *thread, const struct ptx_operand *operand) {
    uint32_t bits = (uint32_t)ptx_get(thread, operand);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void ptx_set_float(struct ptx_thread *thread, const struct ptx_operand *operand, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    ptx_set(thread, operand, bits);
}

uint64_t ptx_address(struct ptx_thread *thread, const struct ptx_operand *operand) {
    return operand->value + (operand->reg >= 0 ? thread->regs[operand->reg] : 0);
}

unsigned char *ptx_global(
    struct ptx_thread *thread, const struct ptx_inst *inst, uint64_t at, size_t bytes) {
    const struct ptx_launch *launch = thread->group->launch;
    for (int i = 0; i < launch->memory_count; i++) {
        uint64_t begin = (uintptr_t)launch->memory[i].begin;
        if (at >= begin && at + bytes <= begin + launch->memory[i].bytes)
            return (unsigned char *)(uintptr_t)at;
    }
    ptx_fail(thread, inst, "outside of all buffers", at);
    return NULL;
}

unsigned char *ptx_shared(
    struct ptx_thread *thread, const struct ptx_inst *inst, uint64_t at, size_t bytes) {
    const struct ptx_group *group = thread->group;
    if (at >= PTX_SHARED_BEGIN && at + bytes <= group->shared_end)
        return group->shared + at;
    ptx_fail(thread, inst, "outside of the group's memory", at);
    return NULL;
}

/* Until it waits, ends, or its slice is over. */
static bool run_thread(struct ptx_thread *thread) {
    const struct ptx_program *program = thread->group->program;
    bool moved = false;
    for (int n = 0; n < SLICE && thread->state == PTX_READY && !ptx_failed(thread); n++) {
        const struct ptx_inst *inst = &program->insts[thread->pc];
        if (thread->pc >= program->inst_count) {
            thread->state = PTX_DONE;
            return true;
        }
        bool skipped = inst->guard >= 0 && (thread->regs[inst->guard] != 0) == inst->guard_negated;
        if (inst->collective && !skipped) {
            thread->state = PTX_AT_COLLECTIVE;
            return true;
        }
        thread->pc++;
        moved = true;
        if (!skipped)
            inst->exec(thread, inst);
    }
    return moved;
}

/* The collective instruction, if all of the warp's threads are at it. */
static bool run_collective(struct ptx_thread *first) {
    for (int i = 0; i < PTX_WARP; i++)
        if (first[i].state != PTX_AT_COLLECTIVE || first[i].pc != first->pc)
            return false;
    const struct ptx_inst *inst = &first->group->program->insts[first->pc];
    for (int i = 0; i < PTX_WARP; i++) {
        first[i].state = PTX_READY;
        first[i].pc++;
    }
    inst->exec(first, inst);
    return true;
}

static bool run_warp(struct ptx_thread *first) {
    bool moved = false;
    do {
        for (int i = 0; i < PTX_WARP; i++)
            moved |= run_thread(&first[i]);
    } while (run_collective(first) && !ptx_failed(first));
    return moved;
}

/* Let those go on who all wait at one barrier. */
static bool open_barriers(struct ptx_group *group) {
    int waiting[PTX_MAX_BARRIERS] = {0}, wanted[PTX_MAX_BARRIERS] = {0}, alive = 0;
    bool opened = false;
    for (int i = 0; i < group->thread_count; i++) {
        const struct ptx_thread *thread = &group->threads[i];
        alive += thread->state != PTX_DONE;
        if (thread->state != PTX_AT_BARRIER)
            continue;
        waiting[thread->barrier % PTX_MAX_BARRIERS]++;
        wanted[thread->barrier % PTX_MAX_BARRIERS] = thread->barrier_count;
    }
    for (int i = 0; i < group->thread_count; i++) {
        struct ptx_thread *thread = &group->threads[i];
        int b = thread->barrier % PTX_MAX_BARRIERS;
        if (thread->state == PTX_AT_BARRIER && waiting[b] == (wanted[b] ? wanted[b] : alive)) {
            thread->state = PTX_READY;
            opened = true;
        }
    }
    return opened;
}

static bool is_done(const struct ptx_group *group) {
    for (int i = 0; i < group->thread_count; i++)
        if (group->threads[i].state != PTX_DONE)
            return false;
    return true;
}

static void wake(struct ptx_group *group) {
    for (int i = 0; i < group->thread_count; i++)
        if (group->threads[i].state == PTX_AT_MBARRIER && ptx_may_go_on(&group->threads[i]))
            group->threads[i].state = PTX_READY;
}

static bool run_group(struct ptx_group *group) {
    bool moved = false;
    wake(group);
    for (int i = 0; i < group->thread_count; i += PTX_WARP)
        moved |= run_warp(&group->threads[i]);
    return moved | open_barriers(group);
}

static void group_start(struct ptx_group *group, uint64_t id) {
    const struct ptx_launch *launch = group->launch;
    group->id[0] = (uint32_t)(id % launch->groups[0]);
    group->id[1] = (uint32_t)(id / launch->groups[0] % launch->groups[1]);
    group->id[2] = (uint32_t)(id / launch->groups[0] / launch->groups[1]);
    group->bulk_count = 0;
    memset(group->shared, 0xff, group->shared_end);
    memset(group->warps, 0, (size_t)(group->thread_count / PTX_WARP) * sizeof *group->warps);
    for (int i = 0; i < group->thread_count; i++) {
        struct ptx_thread *thread = &group->threads[i];
        thread->pc = thread->copy_count = thread->copy_batch = thread->copy_number = 0;
        thread->arrival_count = 0;
        thread->state = PTX_READY;
        thread->index = (uint32_t)i;
        thread->group = group;
        if (i >= (int)(launch->threads[0] * launch->threads[1] * launch->threads[2]))
            thread->state = PTX_DONE;
    }
    group->active = true;
}

static void group_init(struct ptx_group *group, const struct ptx_program *program,
    const struct ptx_launch *launch, struct e2b_error *err) {
    uint32_t threads = launch->threads[0] * launch->threads[1] * launch->threads[2];
    *group = (struct ptx_group){.program = program, .launch = launch, .err = err};
    group->thread_count = (int)((threads + PTX_WARP - 1) / PTX_WARP * PTX_WARP);
    group->shared_end = PTX_SHARED_BEGIN + program->shared_bytes;
    group->shared = malloc(group->shared_end);
    size_t count = (size_t)group->thread_count;
    group->threads = calloc(count, sizeof *group->threads);
    group->warps = calloc(count / PTX_WARP, sizeof *group->warps);
    for (size_t i = 0; i < count; i++) {
        group->threads[i].regs = calloc((size_t)program->register_count + 1, sizeof(uint64_t));
        group->threads[i].local = calloc(program->local_bytes + 16, 1);
        group->threads[i].copies =
            launch->late ? calloc(PTX_MAX_COPIES, sizeof(struct ptx_copy)) : NULL;
    }
}

static void group_finish(struct ptx_group *group) {
    for (int i = 0; i < group->thread_count; i++) {
        free(group->threads[i].regs);
        free(group->threads[i].local);
        free(group->threads[i].copies);
    }
    free(group->threads);
    free(group->warps);
    free(group->shared);
}

enum e2b_status ptx_run(
    const struct ptx_program *program, const struct ptx_launch *launch, struct e2b_error *err) {
    uint64_t total = (uint64_t)launch->groups[0] * launch->groups[1] * launch->groups[2], next = 0;
    int resident = total < (uint64_t)launch->resident ? (int)total : launch->resident, active = 0;
    struct ptx_group *groups = calloc((size_t)resident + 1, sizeof *groups);
    for (int i = 0; i < resident; i++, active++) {
        group_init(&groups[i], program, launch, err);
        group_start(&groups[i], next++);
    }
    for (bool moved = true; active > 0 && err->status == E2B_OK && moved;) {
        moved = false;
        for (int i = 0; i < resident; i++) {
            if (!groups[i].active)
                continue;
            moved |= run_group(&groups[i]);
            if (!is_done(&groups[i]))
                continue;
            moved = true;
            groups[i].active = false;
            if (groups[i].bulk_count > 0)
                ptx_fail(&groups[i].threads[0], &program->insts[program->inst_count - 1],
                    "the group ends before its copies", (uint64_t)groups[i].bulk_count);
            if (next < total)
                group_start(&groups[i], next++);
            else
                active--;
        }
    }
    if (active > 0 && err->status == E2B_OK)
        e2b_fail(err, E2B_DEVICE, "%s: threads wait for each other for ever", program->entry);
    for (int i = 0; i < resident; i++)
        group_finish(&groups[i]);
    free(groups);
    return err->status;
}
