/* What a kernel variant may ask of a device: measured or reported properties, never a vendor's
 * name. A backend fills it when it opens a device. */
#ifndef E2B_KERNELS_TRAITS_H
#define E2B_KERNELS_TRAITS_H

#include <stdbool.h>
#include <stdint.h>

#define E2B_MMA_SM 80       /* PTX level with all that tensor cores need of fp16 and fp32, */
#define E2B_WARPGROUP_SM 90 /* and with products of warpgroups */

struct e2b_traits {
    char device[128];  /* for messages and cache keys only */
    bool is_cpu;       /* one work-item a work-group is best, no local memory, no barriers */
    bool host_unified; /* the host reaches the device's memory: no need of a second copy */
    int compute_units;
    int launch_ns;           /* what a launch costs, roughly; 0 unknown: none are merged */
    bool few_arguments;      /* a launch costs the host less with fewer (kernels/entry.h) */
    int vector_bytes;        /* native SIMD register, 32 for AVX2; 0 on a GPU */
    int warp;                /* work-items that run in lock step; 1 on a CPU */
    int64_t max_group;       /* work-items a work-group */
    int64_t parameter_bytes; /* that a kernel's arguments may take; 0: 1024, as any device */
    int64_t local_bytes;     /* local memory that a static array may use */
    int64_t l1_bytes, l2_bytes, l3_bytes; /* of one core (CPU) or the device (GPU), 0 unknown */
    int64_t memory_bytes, max_buffer_bytes;
    bool half_arithmetic; /* `half` + - * / compile and are right; vload_half always works */
    bool prefetch;        /* __builtin_prefetch works (CPU) */
    bool fp64, subgroups;
    int ptx_sm;           /* inline PTX level proven at start: 0, 75, 80, 90 (with wgmma) */
    int base_align_bytes; /* alignment that buffer offsets should keep */
    int channel_align;    /* channels of an image tensor are padded to a multiple of this */
};

#endif
