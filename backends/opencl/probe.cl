/* Probes of probe.c, one work-group each, all with the arguments (in, out). */

#if defined(PROBE_BASIC)
/* out[i] = 2 in[i] + 1, through local memory and a barrier. */
__kernel void probe_basic(__global const float *in, __global float *out) {
    __local float line[64];
    uint i = get_local_id(0), n = get_local_size(0);
    line[i] = in[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    out[n - 1 - i] = 2.0f * line[n - 1 - i] + 1.0f;
}
#endif

#if defined(PROBE_HALF)
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
/* out[i] = (3 in[i] + 1 - 0.5) / 2, exact in half for small integers. */
__kernel void probe_half(__global const float *in, __global float *out) {
    uint i = get_local_id(0);
    half x = (half)in[i];
    half y = (x * (half)3.0f + (half)1.0f - (half)0.5f) / (half)2.0f;
    out[i] = (float)y;
}
#endif

#if defined(PROBE_PREFETCH)
/* out[0] = in[0], while what lies behind is fetched. */
__kernel void probe_prefetch(__global const float *in, __global float *out) {
    __builtin_prefetch((const void *)(size_t)(in + 16), 0, 2);
    out[0] = in[0];
}
#endif

#if defined(PROBE_LOCAL)
/* A static array of PROBE_LOCAL bytes is written by one work-item and read by another; the xor over
 * out is that of i * 2654435761 over the array. */
__kernel void probe_local(__global const uint *in, __global uint *out) {
    __local uint array[PROBE_LOCAL / 4];
    uint lane = get_local_id(0), lanes = get_local_size(0), sum = 0;
    for (uint i = lane; i < PROBE_LOCAL / 4; i += lanes)
        array[i] = i * in[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = lane; i < PROBE_LOCAL / 4; i += lanes)
        sum ^= array[PROBE_LOCAL / 4 - 1 - i];
    out[lane] = sum;
}
#endif

#if defined(PROBE_WARPGROUP)
/* out[64][8] = A[64][64] B[8][64]^T, in is A then B, all halves. One warpgroup, see ptx.h. Rows of 128
 * bytes, their chunks of 16 bytes permuted by the row, as the descriptors say. */
#define PTX_90A "// @ptx "

static inline ulong probe_describe(__local uint4 *matrix) {
    return (ulong)(((uint)(size_t)matrix & 0x3ffff) >> 4) | 1ul << 16 | 64ul << 32 | 1ul << 62;
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1))) void probe_warpgroup(
    __global const uint4 *in, __global float *out) {
    __local uint4 rows[72 * 8] __attribute__((aligned(1024)));
    uint lane = get_local_id(0);
    float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint i = lane; i < 72 * 8; i += 128)
        rows[i / 8 * 8 + (i % 8 ^ i / 8 % 8)] = in[i];
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    barrier(CLK_LOCAL_MEM_FENCE);
    ulong a = probe_describe(rows), b = probe_describe(rows + 64 * 8);
    asm volatile(PTX_90A "wgmma.fence.sync.aligned;" ::: "memory");
    for (uint step = 0; step < 4; step++)
        asm volatile(PTX_90A "{ .reg .pred p; setp.ne.b32 p, %6, 0; "
                             "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 "
                             "{%0, %1, %2, %3}, %4, %5, p, 1, 1, 0, 0; }"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "l"(a + step * 2), "l"(b + step * 2), "r"(1)
                     : "memory");
    asm volatile(PTX_90A "wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile(PTX_90A "wgmma.wait_group.sync.aligned 0;"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])::"memory");
    uint row = lane / 32 * 16 + lane % 32 / 4, column = lane % 4 * 2;
    out[row * 8 + column] = c[0];
    out[row * 8 + column + 1] = c[1];
    out[(row + 8) * 8 + column] = c[2];
    out[(row + 8) * 8 + column + 1] = c[3];
}
#endif

#if defined(PROBE_PTX)
/* out[16][8] = A[16][16] B[16][8], in is A then B, all halves. One warp. Levels: 75 ldmatrix and
 * mma k8, 80 adds cp.async and mma k16, 90 adds mbarrier.try_wait. Fragment layouts: PTX ISA,
 * "Matrix Fragments for mma.m16n8k8/k16". */
#define ADDRESS(p) ((uint)(size_t)(p))

static inline uint probe_pair(__global const ushort *b, uint k, uint n) {
    return b[k * 8 + n] | (uint)b[(k + 1) * 8 + n] << 16;
}

#if PROBE_PTX >= 80
static inline void probe_copy(__local ushort *to, __global const ushort *from, uint lane) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"(ADDRESS(to + lane * 8)), "l"(from + lane * 8)
                 : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.wait_group 0;" ::: "memory");
}

static inline void probe_multiply(float *c, __local ushort *a, __global const ushort *b, uint lane) {
    uint f[4], k = lane % 4 * 2, n = lane / 4;
    uint row = (lane / 8 & 1) * 8 + lane % 8, at = ADDRESS(a + row * 16 + lane / 16 * 8);
    uint low = probe_pair(b, k, n), high = probe_pair(b, k + 8, n);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
                 : "r"(at)
                 : "memory");
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(f[0]), "r"(f[1]), "r"(f[2]), "r"(f[3]), "r"(low), "r"(high));
}
#else
static inline void probe_copy(__local ushort *to, __global const ushort *from, uint lane) {
    for (uint i = lane; i < 256; i += 32)
        to[i] = from[i];
}

static inline void probe_multiply(float *c, __local ushort *a, __global const ushort *b, uint lane) {
    for (uint half_k = 0; half_k < 16; half_k += 8) {
        uint f[2], pair = probe_pair(b, half_k + lane % 4 * 2, lane / 4);
        uint at = ADDRESS(a + lane % 16 * 16 + half_k);
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                     : "=r"(f[0]), "=r"(f[1])
                     : "r"(at)
                     : "memory");
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(f[0]), "r"(f[1]), "r"(pair));
    }
}
#endif

#if PROBE_PTX >= 80
/* Whether loads of 16 bytes give what single ones do. */
static inline bool probe_load(__global const ushort *from) {
    uint4 v;
    asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
        : "l"((ulong)from));
    return v.x == (from[0] | (uint)from[1] << 16) && v.y == (from[2] | (uint)from[3] << 16)
        && v.z == (from[4] | (uint)from[5] << 16) && v.w == (from[6] | (uint)from[7] << 16);
}
#endif

#if PROBE_PTX >= 90
/* True when all 32 arrivals were seen; gives up rather than hang. */
static inline bool probe_meet(__local ulong *gate, uint lane) {
    uint seen = 0;
    if (lane == 0)
        asm volatile("mbarrier.init.shared.b64 [%0], 32;" ::"r"(ADDRESS(gate)) : "memory");
    barrier(CLK_LOCAL_MEM_FENCE);
    asm volatile("{ .reg .b64 s; mbarrier.arrive.shared.b64 s, [%0]; }" ::"r"(ADDRESS(gate))
                 : "memory");
    for (uint i = 0; i < 100000 && !seen; i++)
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0;"
                     " selp.u32 %0, 1, 0, p; }"
                     : "=r"(seen)
                     : "r"(ADDRESS(gate))
                     : "memory");
    return seen;
}
#endif

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe_ptx(
    __global const ushort *in, __global float *out) {
    __local ushort a[256] __attribute__((aligned(16)));
    float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    uint lane = get_local_id(0), row = lane / 4, column = lane % 4 * 2;
    probe_copy(a, in, lane);
#if PROBE_PTX >= 80
    if (!probe_load(in + lane * 8))
        return;
#endif
#if PROBE_PTX >= 90
    __local ulong gate;
    if (!probe_meet(&gate, lane))
        return;
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    probe_multiply(c, a, in + 256, lane);
    out[row * 8 + column] = c[0];
    out[row * 8 + column + 1] = c[1];
    out[(row + 8) * 8 + column] = c[2];
    out[(row + 8) * 8 + column + 1] = c[3];
}
#endif
