/* A kernel launch as data. Operators describe launches; the engine binds their arguments to memory
 * and a backend runs them. */
#ifndef E2B_KERNELS_LAUNCH_H
#define E2B_KERNELS_LAUNCH_H

#include "kernels/tensor.h"
#include "runtime/base/status.h"

/* An OpenCL C file embedded at build time. kernels/common/prelude.clh is put before it. */
struct e2b_source {
    const char *path; /* "kernels/conv/conv.cl" */
    const char *text;
    size_t bytes;
};

/* Where the values of a constant come from that is not in memory (runtime/model/constants.h). */
struct e2b_origin;

/* A constant known on the host: an initializer or what was folded from some. Row-major, immutable,
 * owned by the model's constant store, alive as long as the model. */
struct e2b_constant {
    uint64_t id; /* unique in its store; equal content derived twice has one id */
    enum e2b_dtype dtype;
    struct e2b_shape shape;
    const void *data; /* NULL: more than 16 KiB of floats that only packings read, which get them */
    const struct e2b_origin *origin; /* where data is NULL */
};

/* How a constant is rearranged for a kernel. Done once a device and shared by all batch sizes: two
 * packings with the same constants and key are the same buffer. */
struct e2b_packing {
    char key[96]; /* e.g. "conv-panel16 f16 k64x3x3x64" */
    /* Unused ones NULL; from[0] may be NULL (a pure table). pack gets them with data. */
    const struct e2b_constant *from[4];
    int64_t numbers[16]; /* what pack needs beside its inputs; part of no key */
    size_t bytes;        /* of the result */
    void (*pack)(const struct e2b_packing *packing, void *to); /* fills every byte; pure */
};

/* Packings lie at multiples of so many bytes, in which texts that are made count their places. */
#define E2B_PACKED_ALIGN 256

enum e2b_arg_kind {
    E2B_ARG_INPUT,   /* node input [index]: two kernel arguments, __global T * and uint offset */
    E2B_ARG_OUTPUT,  /* node output [index]: the same two */
    E2B_ARG_SCRATCH, /* launch list's scratch block [index]: the same two */
    E2B_ARG_PACKED,  /* launch list's packing [index]: one argument, __global const T * */
    E2B_ARG_INT,     /* one int */
    E2B_ARG_FLOAT,   /* one float */
};

struct e2b_arg {
    enum e2b_arg_kind kind;
    union {
        int index;
        int32_t i;
        float f;
    };
};

#define E2B_MAX_ARGS 56

/* All launches of one list run in order on one in-order queue. */
struct e2b_launch {
    const struct e2b_source *source;
    char kernel[64];
    char options[256]; /* "-DT=float -DTILE=6"; few distinct ones, each is a program to compile */
    size_t global[3], local[3]; /* work-items; local all 0: the runtime may choose */
    int64_t jobs;               /* > 0: its groups share so many jobs (kernels/common/jobs.clh) */
    size_t local_bytes;         /* that its kernel declares by LOCAL */
    int arg_count;
    struct e2b_arg args[E2B_MAX_ARGS];
    double flops, bytes; /* work and least traffic, for reports and the tuner */
    /* A library routine instead of a kernel (CLBlast), by name; source is NULL then. The int and
     * float arguments follow the routine's own order, see backends/device.h. */
    const char *routine;
};

struct e2b_scratch {
    size_t bytes;
    int element_bytes; /* that its offset counts; 0: 4 */
    bool zeroed;       /* must read as zero at the first launch of each run's list */
    bool persistent;   /* an instance's own: zero at its first run, then kept from run to run */
};

#define E2B_MAX_SCRATCH 8

/* What emitting one node yields. Zeroed is empty; owned by the caller of emit. */
struct e2b_launch_list {
    struct e2b_launch *launches;
    int launch_count;
    struct e2b_packing *packings;
    int packing_count;
    struct e2b_scratch scratch[E2B_MAX_SCRATCH];
    int scratch_count;
};

/* Append a zeroed launch with source, kernel and printf-style options; NULL when out of memory. */
struct e2b_launch *e2b_launch_add(struct e2b_launch_list *list, const struct e2b_source *source,
    const char *kernel, const char *options, ...) __attribute__((format(printf, 4, 5)));
/* Append a packing, returned index is for e2b_launch_packed; -1 when out of memory. */
int e2b_launch_list_pack(struct e2b_launch_list *list, const struct e2b_packing *packing);
void e2b_launch_list_finish(struct e2b_launch_list *list);

/* Arguments in kernel order. More than E2B_MAX_ARGS is our own bug (assert). */
void e2b_launch_input(struct e2b_launch *launch, int index);
void e2b_launch_output(struct e2b_launch *launch, int index);
void e2b_launch_scratch(struct e2b_launch *launch, int index);
void e2b_launch_packed(struct e2b_launch *launch, int packing);
void e2b_launch_int(struct e2b_launch *launch, int64_t value);
void e2b_launch_float(struct e2b_launch *launch, double value);
void e2b_launch_grid(struct e2b_launch *launch, size_t x, size_t y, size_t z);  /* in work-items */
void e2b_launch_group(struct e2b_launch *launch, size_t x, size_t y, size_t z); /* rounds grid up */

#endif
