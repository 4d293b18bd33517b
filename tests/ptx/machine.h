/* Inside the PTX machine: instructions as parsed, and what threads, warps and groups hold. */
#ifndef E2B_TESTS_PTX_MACHINE_H
#define E2B_TESTS_PTX_MACHINE_H

#include "tests/ptx/ptx.h"

#define PTX_WARP 32
#define PTX_MAX_BARRIERS 16
/* Where local memory seems to lie for generic addresses; shared memory is below SHARED_END. */
#define PTX_LOCAL_BASE (1ull << 60)
#define PTX_SHARED_BEGIN 1024u

enum ptx_type {
    PTX_NONE,
    PTX_PRED,
    PTX_U8,
    PTX_S8,
    PTX_B8,
    PTX_U16,
    PTX_S16,
    PTX_B16,
    PTX_F16,
    PTX_U32,
    PTX_S32,
    PTX_B32,
    PTX_F32,
    PTX_U64,
    PTX_S64,
    PTX_B64,
    PTX_F64,
    PTX_F16X2,
    PTX_TF32,
};

enum ptx_operand_kind {
    PTX_REGISTER,
    PTX_IMMEDIATE,
    PTX_ADDRESS,   /* [register + value]; register -1: the value alone */
    PTX_PARAMETER, /* [parameter + offset]: value, among all parameters' bytes */
    PTX_SPECIAL,   /* %tid.x and the like */
};

struct ptx_operand {
    enum ptx_operand_kind kind;
    bool predicate, negated;
    int reg;
    uint64_t value;
};

struct ptx_thread;
struct ptx_inst;
typedef void ptx_exec(struct ptx_thread *thread, const struct ptx_inst *inst);

struct ptx_inst {
    ptx_exec *exec;
    const char *name;         /* "ld.global.v4.u32" */
    enum ptx_type type, from; /* the last of the name, and the last but one */
    int lanes;                /* v2, v4 */
    int guard;                /* register, -1: none */
    bool guard_negated;
    bool collective; /* the warp's threads meet at it */
    struct ptx_operand *operands;
    int count;
    int target; /* of a branch: instruction */
    const char *label;
};

struct ptx_program {
    char *text; /* names point into it */
    char entry[64];
    struct ptx_inst *insts;
    int inst_count, register_count, parameter_count;
    size_t shared_bytes, local_bytes;
};

enum ptx_state { PTX_READY, PTX_AT_COLLECTIVE, PTX_AT_BARRIER, PTX_AT_MBARRIER, PTX_DONE };

struct ptx_copy {
    uint32_t to, bytes, filled;
    uint64_t from;
    int batch, number;
};

/* To a barrier in shared memory: one that comes when a thread's older copies are there, and a copy
 * that tells its bytes to it. */
struct ptx_arrival {
    uint32_t barrier;
    int copy_number;
};

struct ptx_bulk {
    uint32_t to, bytes, barrier;
    uint64_t from;
};

#define PTX_MAX_COPIES 1024
#define PTX_MAX_ARRIVALS 16
#define PTX_MAX_BULKS 64

struct ptx_thread {
    struct ptx_group *group;
    uint64_t *regs;
    unsigned char *local;
    struct ptx_copy *copies;
    int copy_count, copy_batch, copy_number;
    struct ptx_arrival arrivals[PTX_MAX_ARRIVALS];
    int arrival_count;
    int pc;
    enum ptx_state state;
    int barrier, barrier_count; /* that it waits at; 0: all threads */
    uint32_t index;             /* in the group */
};

/* A product that a warp has started: instruction and descriptors. */
struct ptx_product {
    const struct ptx_inst *inst;
    uint64_t a, b;
    bool add;
    int batch;
};

#define PTX_MAX_PRODUCTS 64

struct ptx_warp {
    struct ptx_product products[PTX_MAX_PRODUCTS];
    int product_count, product_batch;
};

struct ptx_group {
    const struct ptx_program *program;
    const struct ptx_launch *launch;
    struct e2b_error *err;
    uint32_t id[3];
    int thread_count;
    struct ptx_thread *threads;
    struct ptx_warp *warps;
    struct ptx_bulk bulks[PTX_MAX_BULKS];
    int bulk_count;
    unsigned char *shared;
    size_t shared_end;
    bool active;
};

/* The instruction's executor and whether warps meet at it; NULL if there is none. */
ptx_exec *ptx_find(const char *name, bool *collective);
ptx_exec *ptx_find_warp(const char *name);
/* mbarrier.*, and the forms of cp.async that tell one; whether a thread waits at one in vain. */
ptx_exec ptx_mbarrier, ptx_copy_bulk, ptx_copies_arrive;
bool ptx_may_go_on(struct ptx_thread *thread);
/* mov between a register and a vector of its parts. */
ptx_exec *ptx_find_move(bool packs);

bool ptx_failed(const struct ptx_thread *thread);
void ptx_fail(
    struct ptx_thread *thread, const struct ptx_inst *inst, const char *what, uint64_t value);

uint64_t ptx_get(struct ptx_thread *thread, const struct ptx_operand *operand);
void ptx_set(struct ptx_thread *thread, const struct ptx_operand *operand, uint64_t value);
float ptx_get_float(struct ptx_thread *thread, const struct ptx_operand *operand);
void ptx_set_float(struct ptx_thread *thread, const struct ptx_operand *operand, float value);
uint64_t ptx_address(struct ptx_thread *thread, const struct ptx_operand *operand);

/* Checked memory; NULL after failing. */
unsigned char *ptx_global(
    struct ptx_thread *thread, const struct ptx_inst *inst, uint64_t at, size_t bytes);
unsigned char *ptx_shared(
    struct ptx_thread *thread, const struct ptx_inst *inst, uint64_t at, size_t bytes);

bool ptx_has(const struct ptx_inst *inst, const char *part); /* ".wide" in its name */
void ptx_finish_copies(struct ptx_thread *thread, int last_batch);
void ptx_finish_copies_before(struct ptx_thread *thread, int number);
void ptx_finish_products(struct ptx_thread *first, struct ptx_warp *warp, int last_batch);

#endif
