/* Convolutions whose pixels lie in local memory once, where implicit GEMM (kernels/common/mma.cl) copies
 * each as often as taps read it. By wgmma, needs PTX of sm_90a; fp16. Rows of the product are output
 * channels, whose weights go from memory to registers as its fragments; columns are a patch of output
 * pixels, 8 by LINES, and a tap is the same matrix of input pixels from another start: 8 neighbours of
 * a line are 8 rows of it, and the next line of outputs is its next 8 rows. With a stride, columns of the
 * image that taps of one output do not share lie apart, in planes.
 *
 * Lines are counted through all images: an image has as many as keep it from being read by the
 * outputs of its neighbours, or, if `wrap` is never reached, a whole number of patches.
 *
 * With two BUFFERS a group makes several patches, and copies the next pixels (of the next channels, or
 * of its next patch) while it multiplies.
 *
 * LINES          of a patch
 * WARPGROUPS     each has 64 channels of the same pixels
 * STEPS          a slab's products, 16 channels deep each; wide: of one tap
 * NARROW         pixels of 8 channels, 16 bytes; a product takes two neighbours of a plane, a slab is a
 *                row of taps, PLANE_STEPS products a plane. Else a slab's channels have 128 bytes.
 * STRIDE_W       columns of the image between outputs, and planes
 * BUFFERS        1 or 2, see above; 1 for one patch of one block of STEPS * 16 channels
 * AHEAD          slabs whose weights are asked for before they are multiplied
 * PATCH_BYTES    of local memory
 * CHANNELS       there if the image is of fp32, and lies in any way: NARROW, up to 4 of them
 * POOL           there if each output is the largest of 2 by 2; images then have a multiple of 4 lines
 * RESIDUAL, X_F32, ACTIVATION as everywhere */

#include "kernels/common/tensor_core.clh"
#include "kernels/common/wgmma.clh"
#include "kernels/conv/conv.clh"

#define THREADS (WARPGROUPS * 128)
#ifdef NARROW
#define ROW_BYTES 16
#define CHUNKS 1
#else
#define ROW_BYTES 128
#define CHUNKS (STEPS == 3 ? 8 : STEPS * 2) /* threads that copy a pixel, 16 bytes each */
#endif
#define PIXELS_A_PASS (THREADS / CHUNKS)
#define STEP_WORDS 512 /* 64 channels, 16 deep */

#define QUADS_1(j) "+f"(sum[j][0]), "+f"(sum[j][1]), "+f"(sum[j][2]), "+f"(sum[j][3])
#define QUADS_4(j) QUADS_1(j), QUADS_1(j + 1), QUADS_1(j + 2), QUADS_1(j + 3)
#define QUADS_8(j) QUADS_4(j), QUADS_4(j + 4)
#if LINES == 8
#define SHAPE "m64n64k16"
#define REGISTERS REGISTERS_0 REGISTERS_16
#define OPERANDS "{%32, %33, %34, %35}, %36"
#define ONE "%37"
#define SUMS QUADS_8(0)
#elif LINES == 16
#define SHAPE "m64n128k16"
#define REGISTERS REGISTERS_0 REGISTERS_16 REGISTERS_32 REGISTERS_48
#define OPERANDS "{%64, %65, %66, %67}, %68"
#define ONE "%69"
#define SUMS QUADS_8(0), QUADS_8(8)
#elif LINES == 28
#define SHAPE "m64n224k16"
#define REGISTERS                                                                                  \
    REGISTERS_0 REGISTERS_16 REGISTERS_32 REGISTERS_48 REGISTERS_64 REGISTERS_80 REGISTERS_96
#define OPERANDS "{%112, %113, %114, %115}, %116"
#define ONE "%117"
#define SUMS QUADS_8(0), QUADS_8(8), QUADS_8(16), QUADS_4(24)
#elif LINES == 32
#define SHAPE "m64n256k16"
#define REGISTERS                                                                                  \
    REGISTERS_0 REGISTERS_16 REGISTERS_32 REGISTERS_48 REGISTERS_64 REGISTERS_80 REGISTERS_96      \
        REGISTERS_112
#define OPERANDS "{%128, %129, %130, %131}, %132"
#define ONE "%133"
#define SUMS QUADS_8(0), QUADS_8(8), QUADS_8(16), QUADS_8(24)
#endif

#include "kernels/conv/patch_copy.clh"
#include "kernels/conv/patch_finish.clh"

/* Rows of 8 are `stride` bytes apart. */
static inline ulong describe_patch(uint address, uint stride) {
#ifdef NARROW
    return (ulong)(address >> 4) | 1ul << 16 | (ulong)(stride >> 4) << 32;
#else
    return (ulong)(address >> 4) | 1ul << 16 | (ulong)(stride >> 4) << 32 | 1ul << 62;
#endif
}

static inline void load_weights(uint a[STEPS][4], __global const uint *from) {
#pragma unroll
    for (int i = 0; i < STEPS; i++)
        asm volatile("ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a[i][0]), "=r"(a[i][1]), "=r"(a[i][2]), "=r"(a[i][3])
                     : "l"((ulong)(from + i * STEP_WORDS))
                     : "memory");
}

/* Until here they must stay as they are. */
static inline void release(uint a[STEPS][4]) {
#pragma unroll
    for (int i = 0; i < STEPS; i++)
        asm volatile("" ::"r"(a[i][0]), "r"(a[i][1]), "r"(a[i][2]), "r"(a[i][3]));
}

static inline void start_slab(
    float sum[LINES][4], uint a[STEPS][4], uint pixels, uint stride, uint plane_bytes) {
    ulong b = describe_patch(pixels, stride);
    asm volatile(PTX_90A "wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
#ifdef NARROW
        ulong at = b + (i / PLANE_STEPS * plane_bytes >> 4) + i % PLANE_STEPS * 2;
#else
        ulong at = b + i * 2;
#endif
        asm volatile(PTX_90A "{ .reg .pred p; setp.ne.b32 p, " ONE
                             ", 0; wgmma.mma_async.sync.aligned." SHAPE ".f32.f16.f16 {" REGISTERS
                             "}, " OPERANDS ", p, 1, 1, 0; }"
                     : SUMS
                     : "r"(a[i][0]), "r"(a[i][1]), "r"(a[i][2]), "r"(a[i][3]), "l"(at), "r"(1)
                     : "memory");
    }
    asm volatile(PTX_90A "wgmma.commit_group.sync.aligned;" ::: "memory");
}

#ifdef CHANNELS
#define PIXELS_ARRIVED convert_pixels(buffer, rows, thread)
#else
#define PIXELS_ARRIVED
#endif

/* Of a slab with its weights in a[now]; those AHEAD slabs later go where the slab before had its.
 * Meanwhile the next patch is copied, a few pixels a slab. */
#define SLAB(now)                                                                                  \
    if (tap == 0) {                                                                                \
        commit();                                                                                  \
        asm volatile("cp.async.wait_group 0;" ::: "memory");                                       \
        PIXELS_ARRIVED;                                                                            \
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");                               \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    }                                                                                              \
    start_slab(sum, a[now], buffer + tap_row + tap_column, stride_bytes, plane_bytes);             \
    asm volatile(PTX_90A "wgmma.wait_group.sync.aligned 1;" ::: "memory");                         \
    release(a[(now + AHEAD) % (AHEAD + 1)]);                                                       \
    if (slab + AHEAD < slabs)                                                                      \
        load_weights(a[(now + AHEAD) % (AHEAD + 1)], next_weights);                                \
    next_weights += STEPS * STEP_WORDS;                                                            \
    COPY_NEXT                                                                                      \
    NEXT_TAP                                                                                       \
    if (++slab == slabs)                                                                           \
        break;

#if BUFFERS > 1
#define COPY_NEXT                                                                                  \
    if (tap == 0) {                                                                                \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        channel += STEPS * 16;                                                                     \
        bool same = channel < image.channels_end;                                                  \
        left = same || tile + groups < tile_count ? passes : 0;                                    \
        next = begin_patch(&image, same ? at : later, same ? channel : 0, buffer ^ other, thread); \
    }                                                                                              \
    for (int i = 0; i < passes_a_slab && left > 0; i++, left--)                                    \
        copy_pixel(&next, &image, lines_a_pass, places_a_pass, thread);
#else
#define COPY_NEXT
#endif

#ifdef NARROW
#define NEXT_TAP                                                                                   \
    tap++;                                                                                         \
    tap_row += line_bytes;                                                                         \
    if (tap == taps) {                                                                             \
        tap = tap_row = 0;                                                                         \
        buffer ^= other;                                                                           \
    }
#else
#define NEXT_TAP                                                                                   \
    if (++tap_x == kernel_w) {                                                                     \
        tap_x = 0;                                                                                 \
        tap_row += line_bytes;                                                                     \
    }                                                                                              \
    if (++tap == taps) {                                                                           \
        tap = tap_row = 0;                                                                         \
        buffer ^= other;                                                                           \
    }                                                                                              \
    tap_column = tap_x * dilation_w % STRIDE_W * plane_bytes                                       \
        + tap_x * dilation_w / STRIDE_W * ROW_BYTES;
#endif

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void conv_patch(CONV_TENSORS,
    __global const T *weights, __global const float *restrict bias, int tile_count,
    int channel_tiles, int column_tiles, int slabs, int image_lines, int wrap, int columns,
    int pitch, int rows, int samples, int height, int width, int out_height, int out_width,
    int taps, int kernel_w, int stride_h, int dilation_h, int dilation_w, int pad_top,
    int pad_left, int x_end, int y_end, int x_channel, int x_sample, int x_row, int x_pixel,
    int y_sample, int y_row, int y_pixel, int r_sample, int r_row, int r_pixel, float act_a,
    float act_b) {
    LOCAL(memory, PATCH_BYTES *BUFFERS / 16);
    uint thread = get_local_id(0), warp = thread >> 5;
    int groups = get_num_groups(0);
    struct tiles tiles = {channel_tiles, column_tiles, image_lines};
    struct image image = {x + x_at, samples, height, width, x_end, x_sample, x_row, x_pixel,
        x_channel, stride_h, pad_top, pad_left, columns, pitch, rows, wrap};
    struct results out = {.y = y + y_at,
#ifdef RESIDUAL
        .residual = residual + residual_at,
        .r_sample = r_sample,
        .r_row = r_row,
        .r_pixel = r_pixel,
#endif
        .bias = bias,
        .samples = samples,
        .out_height = out_height / POOL_SIDE,
        .out_width = out_width / POOL_SIDE,
        .image_lines = image_lines / POOL_SIDE,
        .channels_end = y_end,
        .y_sample = y_sample,
        .y_row = y_row,
        .y_pixel = y_pixel,
        .act_a = act_a,
        .act_b = act_b};
    uint buffer = (uint)(size_t)memory, other = 0;
    uint stride_bytes = stride_h * pitch * ROW_BYTES, plane_bytes = columns * ROW_BYTES;
    uint line_bytes = dilation_h * pitch * ROW_BYTES;
    int lines_a_pass = PIXELS_A_PASS / pitch, places_a_pass = PIXELS_A_PASS - lines_a_pass * pitch;
    int passes = (rows + PIXELS_A_PASS - 1) / PIXELS_A_PASS;
#if BUFFERS > 1
    int passes_a_slab = (2 * passes + taps - 1) / taps, left = 0;
    other = buffer ^ (buffer + PATCH_BYTES);
#endif
    struct place at = find_place(get_group_id(0), tiles);
    struct copier next = begin_patch(&image, at, 0, buffer, thread);
#pragma unroll 4
    for (int i = 0; i < passes; i++)
        copy_pixel(&next, &image, lines_a_pass, places_a_pass, thread);
    for (int tile = get_group_id(0); tile < tile_count; tile += groups) {
        __global const uint *next_weights = (__global const uint *)weights
            + ((size_t)at.channel_tile * WARPGROUPS + warp / 4) * slabs * STEPS * STEP_WORDS
            + thread % 128 * 4;
        struct place later = find_place(tile + groups, tiles);
        uint a[AHEAD + 1][STEPS][4];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (i < slabs)
                load_weights(a[i], next_weights);
            next_weights += STEPS * STEP_WORDS;
        }
        float sum[LINES][4];
#pragma unroll
        for (int i = 0; i < LINES * 4; i++)
            sum[i / 4][i % 4] = 0.0f;
        int slab = 0, tap = 0, tap_x = 0, channel = 0;
        uint tap_row = 0, tap_column = 0;
        for (;;) {
            SLAB(0)
            SLAB(1)
#if AHEAD > 1
            SLAB(2)
#endif
        }
        asm volatile(PTX_90A "wgmma.wait_group.sync.aligned 0;" : SUMS::"memory");
        finish_patch(sum, &out, at, warp, thread & 31);
        at = later;
    }
}
