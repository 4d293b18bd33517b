/* Attention on tensor cores, needs PTX of sm_80. A warp has BANDS times 16 queries; blocks of KEYS keys and their
 * values are under way by cp.async, two at a time. Scores stay in the registers where the first
 * product leaves them, which is where the second one wants its left operand: for fp16 as they are,
 * for fp32 with keys 2t and 2t + 1 in the places of t and t + 4. fp32 is made of three tf32 products
 * as in kernels/common/mma.cl. Exponentials are powers of two; `scale` has the factor in it. A mask that
 * is the same for all queries is fetched a block ahead, like the keys.
 * WARPS of a group, KEYS a multiple of 16, DEPTH and COLUMNS of 16 (fp16) or 8 (fp32). */

#include "kernels/attention/attention.clh"
#include "kernels/common/lanes.clh"
#include "kernels/common/tensor_core.clh"

#if defined(T_F16)
#define CHUNK 8 /* elements of 16 bytes */
#else
#define CHUNK 4
#endif

#define THREADS (WARPS * 32)
#define LOG2E 1.44269504f
#define STEPS (DEPTH / CHUNK / 2) /* of 32 bytes: one mma deep */
#define KEY_TILES (KEYS / 8)
#define COLUMN_TILES (COLUMNS / 8)
/* Rows an odd number of chunks apart are free of bank conflicts. */
#define K_PITCH ((DEPTH / CHUNK | 1) * 16)
#define V_PITCH ((COLUMNS / CHUNK | 1) * 16)
#define K_BYTES (KEYS * K_PITCH)
#define STAGE_BYTES (KEYS * (K_PITCH + V_PITCH))
#if MASK == 1
#define MASK_FLOATS KEYS /* of a block */
#define MASKS ((KEYS + THREADS - 1) / THREADS) /* of a thread */
#else
#define MASK_FLOATS 0
#endif

static inline void copy_rows(uint to, __global const T *from, int first, int rows, int token,
    int chunks, uint pitch, uint thread) {
    for (int i = thread; i < KEYS * chunks; i += THREADS) {
        int row = i / chunks, chunk = i % chunks;
        bool inside = first + row < rows;
        copy_chunk(to + row * pitch + chunk * 16,
            from + (inside ? (size_t)(first + row) * token + chunk * CHUNK : 0), inside ? 16 : 0);
    }
}

static inline void copy_block(uint to, __global const T *k, __global const T *v, int first,
    int keys, int k_token, int v_token, uint thread) {
    copy_rows(to, k, first, keys, k_token, DEPTH / CHUNK, K_PITCH, thread);
    copy_rows(to + K_BYTES, v, first, keys, v_token, COLUMNS / CHUNK, V_PITCH, thread);
}

/* sum += a b, one mma deep. */
static inline void multiply_add(float sum[4], const uint a[4], const uint b[2]) {
#if defined(T_F16)
    MULTIPLY(sum, a, b);
#else
    uint a_high[4], a_low[4], b_high[2], b_low[2];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        a_high[i] = high_part(a[i]);
        a_low[i] = low_part(a[i]);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        b_high[i] = high_part(b[i]);
        b_low[i] = low_part(b[i]);
    }
    MULTIPLY(sum, a_low, b_high);
    MULTIPLY(sum, a_high, b_low);
    MULTIPLY(sum, a_high, b_high);
#endif
}

/* A warp has BANDS times 16 queries, a lane of each rows lane / 4 and 8 below; of its words of 4 bytes
 * lane % 4 and 4 further on, of each step. What belongs together here is not a structure: compilers
 * of devices with PTX take an array in one as a generic pointer, and refuse it where a private one is
 * wanted. */
static inline void load_queries(uint query[STEPS][4], __global const T *q, int first, int queries,
    int token, uint lane) {
    int row = first + (int)(lane >> 2);
    __global const uint *upper = (__global const uint *)(q + (size_t)min(row, queries - 1) * token);
    __global const uint *lower =
        (__global const uint *)(q + (size_t)min(row + 8, queries - 1) * token);
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        int at = i * 8 + (int)(lane & 3);
        query[i][0] = upper[at];
        query[i][1] = lower[at];
        query[i][2] = upper[at + 4];
        query[i][3] = lower[at + 4];
    }
}

/* Of the first `left` keys of the block, in steps of 16; what is beyond is not touched. */
static inline void multiply_keys(
    float score[BANDS][KEY_TILES][4], uint query[BANDS][STEPS][4], uint keys, int left, uint lane) {
    uint row = (lane & 7) + ((lane >> 4) << 3), chunk = lane >> 3 & 1;
#pragma unroll
    for (int i = 0; i < BANDS * KEY_TILES * 4; i++)
        score[i / (KEY_TILES * 4)][i / 4 % KEY_TILES][i % 4] = 0.0f;
#pragma unroll
    for (int step = 0; step < STEPS; step++)
#pragma unroll
        for (int j = 0; j < KEY_TILES; j += 2) {
            if (j * 8 < left) {
                uint b[2][2];
                LOAD_MATRICES(b[0][0], b[0][1], b[1][0], b[1][1],
                    keys + (row + j * 8) * K_PITCH + (step * 2 + chunk) * 16);
#pragma unroll
                for (int band = 0; band < BANDS; band++) {
                    multiply_add(score[band][j], query[band][step], b[0]);
                    multiply_add(score[band][j + 1], query[band][step], b[1]);
                }
            }
        }
}

static inline void multiply_values(float sum[BANDS][COLUMN_TILES][4],
    float weight[BANDS][KEY_TILES][4], __local const uint4 *values, int left, uint lane) {
#if defined(T_F16)
    uint from = (uint)(size_t)values + (lane & 15) * V_PITCH + (lane >> 4) * 16;
#pragma unroll
    for (int j = 0; j < KEY_TILES; j += 2) {
        if (j * 8 >= left)
            continue;
        uint a[BANDS][4];
#pragma unroll
        for (int i = 0; i < BANDS * 4; i++)
            PACK(a[i / 4][i % 4], weight[i / 4][j + i % 4 / 2][i % 2 * 2],
                weight[i / 4][j + i % 4 / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int i = 0; i < COLUMN_TILES; i += 2) {
            uint b[2][2];
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(b[0][0]), "=r"(b[0][1]), "=r"(b[1][0]), "=r"(b[1][1])
                         : "r"(from + j * 8 * V_PITCH + i * 16)
                         : "memory");
#pragma unroll
            for (int band = 0; band < BANDS; band++) {
                multiply_add(sum[band][i], a[band], b[0]);
                multiply_add(sum[band][i + 1], a[band], b[1]);
            }
        }
    }
#else
    __local const uint *from =
        (__local const uint *)values + (lane & 3) * 2 * (V_PITCH / 4) + (lane >> 2);
#pragma unroll
    for (int j = 0; j < KEY_TILES; j++) {
        if (j * 8 >= left)
            continue;
        uint a[BANDS][4];
#pragma unroll
        for (int i = 0; i < BANDS * 4; i++)
            a[i / 4][i % 4] = as_uint(weight[i / 4][j][i % 4 / 2 + i % 2 * 2]);
#pragma unroll
        for (int i = 0; i < COLUMN_TILES; i++) {
            const uint b[2] = {from[j * 8 * (V_PITCH / 4) + i * 8],
                from[(j * 8 + 1) * (V_PITCH / 4) + i * 8]};
#pragma unroll
            for (int band = 0; band < BANDS; band++)
                multiply_add(sum[band][i], a[band], b);
        }
    }
#endif
}

static inline float power_of_two(float exponent) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(exponent));
    return power;
}

/* Of the four lanes that share a row. */
static inline float row_max(float value) {
    value = fmax(value, from_lane(value, 1));
    return fmax(value, from_lane(value, 2));
}

static inline float row_sum(float value) {
    value += from_lane(value, 1);
    return value + from_lane(value, 2);
}

/* Score i of a row's half h in a lane, and its key in the block. */
#define SCORE(i, h) score[(i) / 2][(h) * 2 + (i) % 2]
#define KEY(i) ((i) / 2 * 8 + (int)(lane & 3) * 2 + (i) % 2)

/* With a mask, scores have been scaled before. */
#if MASK
#define FACTOR 1.0f
#else
#define FACTOR scale
#endif

/* Scores become weights: powers of two of their distance to the largest so far, by which the sums
 * are scaled. `top` is in the units of the exponent. */
static inline void weigh(float score[KEY_TILES][4], float sum[COLUMN_TILES][4], float top[2],
    float total[2], float scale, int left, uint lane) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float before = top[h], most = -INFINITY;
        if (left < KEYS)
#pragma unroll
            for (int i = 0; i < KEY_TILES * 2; i++)
                SCORE(i, h) = KEY(i) < left ? SCORE(i, h) : -INFINITY;
#pragma unroll
        for (int i = 0; i < KEY_TILES * 2; i++)
            most = fmax(most, SCORE(i, h));
        top[h] = fmax(before, row_max(most) * FACTOR);
        float factor = power_of_two(before - top[h]);
#pragma unroll
        for (int i = 0; i < COLUMN_TILES * 2; i++)
            sum[i / 2][h * 2 + i % 2] *= factor;
        float added = 0.0f;
#pragma unroll
        for (int i = 0; i < KEY_TILES * 2; i++) {
            SCORE(i, h) = power_of_two(fma(SCORE(i, h), FACTOR, -top[h]));
            added += SCORE(i, h);
        }
        total[h] = fma(total[h], factor, added);
    }
}

#if MASK == 1
static inline void fetch_mask(
    float own[MASKS], __global const T *mask, int mask_key, int first, int keys, uint thread) {
#pragma unroll
    for (int i = 0; i < MASKS; i++)
        own[i] = LOG2E * LOAD(mask, min(first + (int)thread + i * THREADS, keys - 1) * mask_key);
}

static inline void keep_mask(__local float *to, const float own[MASKS], uint thread) {
#pragma unroll
    for (int i = 0; i < MASKS; i++)
        if (thread + i * THREADS < KEYS)
            to[thread + i * THREADS] = own[i];
}
#endif

/* How scores become exponents: scaled, and with a mask added. */
struct exponents {
    float scale;
#if MASK == 1
    __local const float *mask; /* of the block */
#elif MASK == 2
    __global const T *mask;
    int row, last_row, query;   /* a lane's first, the last there is; from one to the next */
    int first_key, last_key, key; /* of the block, of all; from one to the next */
#endif
};

static inline void add_mask(
    float score[KEY_TILES][4], struct exponents by, int band, uint lane) {
#if MASK == 2
    __global const T *upper_mask = by.mask + min(by.row + band * 16, by.last_row) * by.query;
    __global const T *lower_mask = by.mask + min(by.row + band * 16 + 8, by.last_row) * by.query;
#endif
#if MASK
#pragma unroll
    for (int i = 0; i < KEY_TILES * 2; i++) {
#if MASK == 1
        float upper = by.mask[KEY(i)], lower = upper;
#else
        int at = min(by.first_key + KEY(i), by.last_key) * by.key;
        float upper = LOG2E * LOAD(upper_mask, at), lower = LOG2E * LOAD(lower_mask, at);
#endif
        SCORE(i, 0) = fmax(fma(SCORE(i, 0), by.scale, upper), LOWEST);
        SCORE(i, 1) = fmax(fma(SCORE(i, 1), by.scale, lower), LOWEST);
    }
#endif
}

/* A block of keys and values, of which the first `left` count. */
static inline void attend(uint query[BANDS][STEPS][4], float sum[BANDS][COLUMN_TILES][4],
    float top[BANDS][2], float total[BANDS][2], __local const uint4 *pairs, struct exponents by,
    int left, uint lane) {
    float score[BANDS][KEY_TILES][4];
    multiply_keys(score, query, (uint)(size_t)pairs, left, lane);
#pragma unroll
    for (int band = 0; band < BANDS; band++) {
        add_mask(score[band], by, band, lane);
        weigh(score[band], sum[band], top[band], total[band], by.scale, left, lane);
    }
    multiply_values(sum, score, pairs + K_BYTES / 16, left, lane);
}

static inline void store_pair(__global T *to, float low, float high) {
#if defined(T_F16)
    uint word;
    PACK(word, low, high);
    *(__global uint *)to = word;
#else
    vstore2((float2)(low, high), 0, to);
#endif
}

static inline void store_band(float sum[COLUMN_TILES][4], float total[2], __global T *y, int row,
    int queries, int token, uint lane) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float inverse = 1.0f / row_sum(total[h]);
        if (row + h * 8 >= queries)
            continue;
#pragma unroll
        for (int i = 0; i < COLUMN_TILES; i++)
            store_pair(y + (size_t)(row + h * 8) * token + i * 8 + (lane & 3) * 2,
                sum[i][h * 2] * inverse, sum[i][h * 2 + 1] * inverse);
    }
}

/* Grid: blocks of queries, samples x heads. */
__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void attention_mma(
    ATTENTION_ARGUMENTS) {
    LOCAL(stages, (2 * STAGE_BYTES + 2 * MASK_FLOATS * 4) / 16);
    uint thread = get_local_id(0), lane = thread & 31, to = (uint)(size_t)stages;
    int item = get_group_id(1);
    int first = (int)(get_group_id(0) * WARPS + (thread >> 5)) * BANDS * 16;
    int row = first + (int)(lane >> 2);
    BEGIN_HEAD(item / heads, item % heads)
    copy_block(to, k, v, 0, keys, k_token, v_token, thread);
    commit();
    uint query[BANDS][STEPS][4];
    float sum[BANDS][COLUMN_TILES][4], top[BANDS][2], total[BANDS][2];
#pragma unroll
    for (int band = 0; band < BANDS; band++) {
        load_queries(query[band], q, first + band * 16, queries, q_token, lane);
#pragma unroll
        for (int i = 0; i < COLUMN_TILES * 4; i++)
            sum[band][i / 4][i % 4] = 0.0f;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            top[band][h] = -INFINITY;
            total[band][h] = 0.0f;
        }
    }
#if MASK == 1
    __local float *masks = (__local float *)(stages + 2 * STAGE_BYTES / 16);
    float own[MASKS];
    fetch_mask(own, mask, mask_key, 0, keys, thread);
    keep_mask(masks, own, thread);
#endif
    struct exponents by = {.scale = scale};
#if MASK == 2
    by.mask = mask;
    by.row = row;
    by.last_row = queries - 1;
    by.query = mask_query;
    by.last_key = keys - 1;
    by.key = mask_key;
#endif
    int stage = 0;
    for (int block = 0; block < keys; block += KEYS, stage ^= 1) {
        if (block + KEYS < keys)
            copy_block(to + (stage ^ 1) * STAGE_BYTES, k, v, block + KEYS, keys, k_token, v_token,
                thread);
        commit();
#if MASK == 1
        fetch_mask(own, mask, mask_key, block + KEYS, keys, thread);
#endif
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        barrier(CLK_LOCAL_MEM_FENCE);
#if MASK == 1
        by.mask = masks + stage * KEYS;
#elif MASK == 2
        by.first_key = block;
#endif
        /* Where all keys of a block are there, nothing asks for that. */
        __local const uint4 *pairs = stages + stage * STAGE_BYTES / 16;
        if (first < queries && keys - block >= KEYS)
            attend(query, sum, top, total, pairs, by, KEYS, lane);
        else if (first < queries)
            attend(query, sum, top, total, pairs, by, keys - block, lane);
#if MASK == 1
        keep_mask(masks + (stage ^ 1) * KEYS, own, thread);
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#pragma unroll
    for (int band = 0; band < BANDS; band++)
        store_band(sum[band], total[band], y, row + band * 16, queries, y_token, lane);
}
