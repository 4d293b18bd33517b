/* How a chain runs (kernels/chain.h). Each group goes through the stages in order: it takes jobs of
 * a stage, one by one, until none is left. Before its first job of a stage it waits until the
 * stages that this one needs are done. As a group waits only for jobs that others have taken, and those need
 * earlier stages only, all end whatever number of groups runs at once. The last group that leaves
 * makes all counters 0 for the next run.
 *
 * -DCHAIN_ITEMS is the number of work-items a group. The kernels that are stages of it find themselves at
 * the group, of the grid, that the job stands for. */

#define CHAIN_COUNTER_WORDS 16 /* a cache line */
#define CHAIN_LONGEST_WAIT 20000

struct chain_place {
    uint group[3], groups[3], worker, workers;
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
#define CHAIN_BARRIER(which)
static inline uint chain_item(void) {
    return 0;
}
#endif

#ifdef CHAIN_PTX
#define CHAIN_FENCE asm volatile("fence.acq_rel.gpu;" ::: "memory")
#else
#define CHAIN_FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)
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

static inline void chain_wait(
    __global const int *waits, __global volatile uint *counters) {
    for (int i = 0; i < waits[0]; i++) {
        __global volatile uint *stage = counters + (waits[1 + 2 * i] + 1) * CHAIN_COUNTER_WORDS;
        for (uint looks = 1; stage[1] != (uint)waits[2 + 2 * i]; looks++)
            if (looks % CHAIN_LONGEST_WAIT == 0)
                chain_sleep();
    }
}

/* Says that this group has ended the job it had, if any, and gives it the next: its stage and number
 * in `now`. False when there is none. */
static inline bool chain_next(__global const int *table, __global volatile uint *counters,
    __local uint now[2], bool begun) {
    CHAIN_BARRIER(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);
    if (chain_item() == 0) {
        uint stage = begun ? now[0] : 0, job = 0;
        if (begun) {
            CHAIN_FENCE;
            atomic_inc(counters + (stage + 1) * CHAIN_COUNTER_WORDS + 1);
        }
        for (; stage < (uint)table[0]; stage++, begun = false) {
            __global const int *at = table + table[1 + stage];
            job = atomic_inc(counters + (stage + 1) * CHAIN_COUNTER_WORDS);
            if (job >= (uint)at[5])
                continue;
            if (!begun)
                chain_wait(table + at[6], counters);
            CHAIN_FENCE;
            break;
        }
        now[0] = stage;
        now[1] = job;
    }
    CHAIN_BARRIER(CLK_LOCAL_MEM_FENCE);
    return now[0] < (uint)table[0];
}

static inline void chain_leave(__global const int *table, __global volatile uint *counters) {
    CHAIN_BARRIER(CLK_GLOBAL_MEM_FENCE);
    if (chain_item() != 0)
        return;
    uint words = (uint)(table[0] + 1) * CHAIN_COUNTER_WORDS, left = atomic_inc(counters) + 1;
    if (left == (uint)get_num_groups(0)) {
        for (uint i = CHAIN_COUNTER_WORDS; i < words; i += CHAIN_COUNTER_WORDS)
            counters[i] = counters[i + 1] = 0;
        CHAIN_FENCE;
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

/* One job of a stage: a group, or several neighbours. */
#define CHAIN_GROUP(CALL)                                                                          \
    {                                                                                              \
        place.group[0] = job;                                                                      \
        place.group[1] = place.group[2] = 0;                                                       \
        CALL;                                                                                      \
        break;                                                                                     \
    }
#define CHAIN_GROUPS(CALL)                                                                         \
    {                                                                                              \
        uint groups = place.groups[0] * place.groups[1] * place.groups[2], each = at[4];           \
        uint end = min((job + 1) * each, groups);                                                  \
        for (uint group = job * each; group < end; group++) {                                      \
            chain_locate(&place, group);                                                           \
            CALL;                                                                                  \
        }                                                                                          \
        break;                                                                                     \
    }

/* From here on for the stages' kernels. CHAIN_X and CHAIN_Y are the sides of a kernel's group. */
#define get_group_id(d) (chain_place.group[d])
#define get_num_groups(d) (chain_place.groups[d])
#define get_local_size(d) ((size_t)((d) == 0 ? CHAIN_X : (d) == 1 ? CHAIN_Y : CHAIN_Z))
#define get_local_id(d)                                                                            \
    ((size_t)((d) == 0 ? chain_item() % CHAIN_X                                                    \
                       : (d) == 1 ? chain_item() / CHAIN_X % CHAIN_Y                               \
                                  : chain_item() / (CHAIN_X * CHAIN_Y)))
#define get_global_id(d) (get_group_id(d) * get_local_size(d) + get_local_id(d))
#define get_global_size(d) (get_num_groups(d) * get_local_size(d))
#define CHAIN
#define __kernel static inline
#define reqd_work_group_size(x, y, z)
#define restrict
