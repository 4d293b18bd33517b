/* How a chain runs (kernels/chain.h). The jobs of all stages are numbered in the order of the stages,
 * and each group takes the next one until none is left. What a job needs of earlier stages it waits for
 * (chain_wait): those jobs have lower numbers, so others have taken them before, and all end whatever
 * number of groups runs at once. That holds too where a group asks for its next job while it has one, or
 * tells late that it has done one: the lowest job that is not done is always one that a group is at,
 * and all before it have been counted, or will be by groups that wait for nothing. The last group that
 * leaves makes all counters 0 for the next run.
 *
 * -DCHAIN_ITEMS is the number of work-items a group. The kernels that are stages of it find themselves at
 * the group, of the grid, that the job stands for; with -DCHAIN_TIMES each job tells when it ran. */

#define CHAIN_COUNTER_WORDS 16 /* a cache line */
#define CHAIN_NEXT 8           /* its word is beside that of groups that left */
#define CHAIN_LONGEST_WAIT 20000
#define CHAIN_MAX_STAGES 256
#define CHAIN_ROW_WORDS 256

/* Of a group. */
struct chain_state {
    uint ends[CHAIN_MAX_STAGES]; /* the number of the first job that is of a later stage */
    int row[CHAIN_ROW_WORDS];    /* the table's words on the stage */
    uint next;                   /* job */
};

/* Where a group is. */
struct chain_at {
    int stage;      /* -1: it had no job yet */
    uint job, left; /* its number in the stage, and how many jobs the stage has from it on */
    uint uncounted; /* jobs of the stage that are done */
};

struct chain_place {
    uint group[3], groups[3], item, worker, workers;
    bool waits;
    __local const int *row;
    __global volatile uint *counters;
#ifdef CHAIN_TIMES
    __global volatile uint *times;
#endif
#if CHAIN_ITEMS > 1
    __local uint4 *local_memory;
#endif
};

#if CHAIN_ITEMS > 1
#define CHAIN_BARRIER(which) barrier(which)
static inline uint chain_item(void) {
    return get_local_id(0);
}
#else
#define CHAIN_BARRIER(which) (void)0
static inline uint chain_item(void) {
    return 0;
}
#endif

/* A job's writes come before the count of its stage, and that before what waits for it reads. */
#ifdef CHAIN_PTX
static inline void chain_count(__global volatile uint *done, uint jobs) {
    asm volatile("red.release.gpu.global.add.u32 [%0], %1;"
                 :
                 : "l"((ulong)done), "r"(jobs)
                 : "memory");
}

static inline uint chain_look(__global volatile uint *done) {
    uint count;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                 : "=r"(count)
                 : "l"((ulong)done)
                 : "memory");
    return count;
}
#else
static inline void chain_count(__global volatile uint *done, uint jobs) {
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    atomic_add(done, jobs);
}

static inline uint chain_look(__global volatile uint *done) {
    uint count = *done;
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    return count;
}
#endif

/* Groups that are threads of the host may keep the one they wait for from a core: after a while they
 * sleep. */
#if CHAIN_ITEMS == 1 && defined(__linux__) && defined(__x86_64__)
static inline void chain_sleep(void) {
    long span[2] = {0, 20000}, result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(35L), "D"(span), "S"(0L) : "rcx", "r11", "memory");
}
#elif CHAIN_ITEMS == 1 && defined(__linux__) && defined(__aarch64__)
static inline void chain_sleep(void) {
    long span[2] = {0, 20000};
    register long number __asm__("x8") = 101, first __asm__("x0") = (long)span, second __asm__("x1") = 0;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second) : "memory");
}
#else
static inline void chain_sleep(void) {
}
#endif

#ifdef CHAIN_TIMES
/* Words of a job's times: when it was taken, had what it needs, and was done, in ns, and by which
 * compute unit. */
enum { CHAIN_TAKEN, CHAIN_READY, CHAIN_DONE, CHAIN_UNIT, CHAIN_TIME_WORDS };

static inline void chain_stamp(__global volatile uint *times, int which) {
    uint now;
    asm volatile("mov.u32 %0, %%globaltimer_lo;" : "=r"(now) : : "memory");
    if (chain_item() == 0)
        times[which] = now;
}

static inline void chain_begin(__global volatile uint *times) {
    uint unit;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(unit));
    chain_stamp(times, CHAIN_TAKEN);
    if (chain_item() == 0) {
        times[CHAIN_READY] = times[CHAIN_TAKEN];
        times[CHAIN_UNIT] = unit;
    }
}
#define CHAIN_STAMP(times, which) chain_stamp(times, which)
#define CHAIN_BEGIN                                                                                \
    place.times = counters + (table[0] + 1) * CHAIN_COUNTER_WORDS                                  \
        + (state.ends[at.stage] - at.left) * CHAIN_TIME_WORDS;                                     \
    chain_begin(place.times)
#else
#define CHAIN_STAMP(times, which)
#define CHAIN_BEGIN
#endif

/* Until all is done that this stage needs. */
static inline void chain_wait(struct chain_place place) {
    if (!place.waits)
        return;
    __local const int *waits = place.row + place.row[6];
    for (int i = chain_item(); i < waits[0]; i += CHAIN_ITEMS) {
        __global volatile uint *done =
            place.counters + (waits[1 + 2 * i] + 1) * CHAIN_COUNTER_WORDS;
        for (uint looks = 1; chain_look(done) != (uint)waits[2 + 2 * i]; looks++)
            if (looks % CHAIN_LONGEST_WAIT == 0)
                chain_sleep();
    }
    CHAIN_BARRIER(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);
    CHAIN_STAMP(place.times, CHAIN_READY);
}

static inline uint chain_begin_of(__local const struct chain_state *state, int stage) {
    return stage > 0 ? state->ends[stage - 1] : 0;
}

static inline void chain_enter(__global const int *table, __global volatile uint *counters,
    __local struct chain_state *state) {
    for (int i = chain_item(); i < table[0]; i += CHAIN_ITEMS)
        state->ends[i] = table[1 + table[0] + i];
    if (chain_item() == 0)
        state->next = atomic_inc(counters + CHAIN_NEXT);
    CHAIN_BARRIER(CLK_LOCAL_MEM_FENCE);
}

/* Goes on to the group's next job. False when there is none. What lies at the row's end comes first,
 * by the warps that do not count a job. */
static inline bool chain_next(__global const int *table, __local struct chain_state *state,
    struct chain_at *at) {
    int stages = table[0], stage = at->stage;
    uint next = state->next;
    while (stage < 0 || (stage < stages && next >= state->ends[stage]))
        stage++;
    if (stage == stages)
        return false;
    at->job = next - chain_begin_of(state, stage);
    at->left = state->ends[stage] - next;
    if (stage != at->stage) {
        __global const int *row = table + table[1 + stage];
        int words = row[5];
        for (int i = CHAIN_ITEMS - 1 - (int)chain_item(); i < words; i += CHAIN_ITEMS)
            state->row[i] = row[i];
    }
    at->stage = stage;
    CHAIN_BARRIER(CLK_LOCAL_MEM_FENCE);
    return true;
}

/* The next job is asked for at the begin of one only where there are many left: else a group would
 * hold two that could run at once. */
static inline bool chain_asks_early(const struct chain_at *at) {
    return CHAIN_ITEMS > 1 && at->left > 2 * (uint)get_num_groups(0);
}

static inline uint chain_ask(__global volatile uint *counters, const struct chain_at *at) {
    return chain_asks_early(at) && chain_item() == 0 ? atomic_inc(counters + CHAIN_NEXT) : 0;
}

/* At the end of a job, with what chain_ask answered. Jobs are counted when the stage is left, or may
 * be; one item does that while another asks for the next. */
static inline void chain_done(__global volatile uint *counters, __local struct chain_state *state,
    const struct chain_place *place, struct chain_at *at, uint next) {
    bool early = chain_asks_early(at);
    at->uncounted++;
    if (early && chain_item() == 0)
        state->next = next;
    CHAIN_BARRIER(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);
    CHAIN_STAMP(place->times, CHAIN_DONE);
    if (early && state->next < state->ends[at->stage])
        return;
    if (chain_item() == 0)
        chain_count(counters + (at->stage + 1) * CHAIN_COUNTER_WORDS, at->uncounted);
    at->uncounted = 0;
    if (early)
        return;
    if (chain_item() == CHAIN_ITEMS - 1)
        state->next = atomic_inc(counters + CHAIN_NEXT);
    CHAIN_BARRIER(CLK_LOCAL_MEM_FENCE);
}

static inline void chain_leave(__global const int *table, __global volatile uint *counters) {
    if (chain_item() != 0)
        return;
    uint words = (uint)(table[0] + 1) * CHAIN_COUNTER_WORDS, left = atomic_inc(counters) + 1;
    if (left == (uint)get_num_groups(0)) {
        for (uint i = CHAIN_COUNTER_WORDS; i < words; i += CHAIN_COUNTER_WORDS)
            counters[i] = 0;
        counters[CHAIN_NEXT] = 0;
        mem_fence(CLK_GLOBAL_MEM_FENCE);
        *counters = 0;
    }
#if CHAIN_ITEMS == 1
    /* A thread that slept is late for the next launch. */
    else
        for (int i = 0; *counters != 0 && i < CHAIN_LONGEST_WAIT; i++)
            ;
#endif
}

static inline void chain_locate(struct chain_place *place, uint group) {
    place->group[0] = group % place->groups[0];
    group /= place->groups[0];
    place->group[1] = group % place->groups[1];
    place->group[2] = group / place->groups[1];
}

/* One job of a stage: a group, or several neighbours. Groups of a kernel without barriers may have
 * more or fewer work-items than those of the chain: then they are cut, or put together. */
#define CHAIN_GROUP(CALL)                                                                          \
    {                                                                                              \
        place.group[0] = at.job;                                                                   \
        place.group[1] = place.group[2] = 0;                                                       \
        CALL;                                                                                      \
        break;                                                                                     \
    }
#define CHAIN_GROUPS(ITEMS, CALL)                                                                  \
    {                                                                                              \
        uint groups = place.groups[0] * place.groups[1] * place.groups[2], each = row[4];          \
        uint parts = ITEMS == CHAIN_ITEMS ? groups : (groups * ITEMS - 1) / CHAIN_ITEMS + 1;       \
        uint end = min((at.job + 1) * each, parts);                                                \
        for (uint part = at.job * each; part < end; part++) {                                      \
            uint group = part;                                                                     \
            if (ITEMS != CHAIN_ITEMS) {                                                            \
                group = (part * CHAIN_ITEMS + chain_item()) / ITEMS;                               \
                place.item = (part * CHAIN_ITEMS + chain_item()) % ITEMS;                          \
                if (group >= groups)                                                               \
                    break;                                                                         \
            }                                                                                      \
            chain_locate(&place, group);                                                           \
            CALL;                                                                                  \
            place.waits = false;                                                                   \
            if (ITEMS == CHAIN_ITEMS && part + 1 < end)                                            \
                CHAIN_BARRIER(CLK_LOCAL_MEM_FENCE);                                                \
        }                                                                                          \
        break;                                                                                     \
    }

/* From here on for the stages' kernels. CHAIN_X and CHAIN_Y are the sides of a kernel's group. */
#define get_group_id(d) (chain_place.group[d])
#define get_num_groups(d) (chain_place.groups[d])
#define get_local_size(d) ((size_t)((d) == 0 ? CHAIN_X : (d) == 1 ? CHAIN_Y : CHAIN_Z))
#define get_local_id(d)                                                                            \
    ((size_t)((d) == 0 ? chain_place.item % CHAIN_X                                                \
                       : (d) == 1 ? chain_place.item / CHAIN_X % CHAIN_Y                           \
                                  : chain_place.item / (CHAIN_X * CHAIN_Y)))
#define get_global_id(d) (get_group_id(d) * get_local_size(d) + get_local_id(d))
#define get_global_size(d) (get_num_groups(d) * get_local_size(d))
#define CHAIN
#define __kernel static inline
#define reqd_work_group_size(x, y, z)
#define restrict
