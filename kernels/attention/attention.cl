/* Attention without tensor cores. One of LANES, TILE, DIRECT is defined. */

#include "kernels/attention/attention.clh"

#ifdef LANES
/* A work-item computes 16 queries of a head, one in each lane, so that maxima and sums are those of
 * vectors; keys and values are broadcast to the lanes. */
#define QUERIES 16
#define KEYS 32
#define WIDEST (DEPTH > COLUMNS ? DEPTH : COLUMNS)

/* Rows of `width` elements, as floats. */
static inline void copy_rows(
    float *to, __global const T *from, int rows, int token, int width) {
    for (int i = 0; i < rows; i++, from += token, to += width) {
        int at = 0;
        for (; at + 16 <= width; at += 16)
            vstore16(LOAD16(from, at), 0, to + at);
        for (; at < width; at++)
            to[at] = LOAD(from, at);
    }
}

static inline void transpose_queries(
    float *to, __global const T *q, int first, int queries, int token, float scale) {
    for (int i = 0; i < QUERIES; i++, to++) {
        __global const T *from = q + (size_t)min(first + i, queries - 1) * token;
        for (int d = 0; d < DEPTH; d++)
            to[d * QUERIES] = scale * LOAD(from, d);
    }
}

#if MASK
static inline float16 mask_lanes(__global const T *mask, int first, int queries, int mask_query) {
#if MASK == 1
    return (float16)LOAD(mask, 0);
#else
    float each[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        each[i] = LOAD(mask, min(first + i, queries - 1) * mask_query);
    return vload16(0, each);
#endif
}
#define MASK_LANES(key) mask_lanes(mask + (key) * mask_key, first, queries, mask_query)
#else
#define MASK_LANES(key) 0.0f
#endif

/* Products of four rows with the lanes; the last row stands in for those beyond. */
static inline void score_rows(
    float16 *score, const float *query, const float *rows, int first, int count) {
    const float *row0 = rows + first * DEPTH, *row1 = rows + min(first + 1, count - 1) * DEPTH;
    const float *row2 = rows + min(first + 2, count - 1) * DEPTH;
    const float *row3 = rows + min(first + 3, count - 1) * DEPTH;
    float16 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    for (int d = 0; d < DEPTH; d++) {
        float16 each = vload16(d, query);
        s0 = fma((float16)row0[d], each, s0);
        s1 = fma((float16)row1[d], each, s1);
        s2 = fma((float16)row2[d], each, s2);
        s3 = fma((float16)row3[d], each, s3);
    }
    score[first] = s0;
    score[first + 1] = s1;
    score[first + 2] = s2;
    score[first + 3] = s3;
}

/* sum = factor sum + weights rows, four columns at a time; the last stands in for those beyond. */
static inline void add_values(
    float *sum, float16 factor, const float16 *weight, const float *rows, int count) {
    for (int e = 0; e < COLUMNS; e += 4) {
        int e1 = min(e + 1, COLUMNS - 1), e2 = min(e + 2, COLUMNS - 1), e3 = min(e + 3, COLUMNS - 1);
        float16 s0 = factor * vload16(e, sum), s1 = factor * vload16(e1, sum);
        float16 s2 = factor * vload16(e2, sum), s3 = factor * vload16(e3, sum);
        const float *row = rows;
        for (int j = 0; j < count; j++, row += COLUMNS) {
            float16 each = weight[j];
            s0 = fma((float16)row[e], each, s0);
            s1 = fma((float16)row[e1], each, s1);
            s2 = fma((float16)row[e2], each, s2);
            s3 = fma((float16)row[e3], each, s3);
        }
        vstore16(s0, e, sum);
        vstore16(s1, e1, sum);
        vstore16(s2, e2, sum);
        vstore16(s3, e3, sum);
    }
}

__kernel void attention_lanes(ATTENTION_ARGUMENTS) {
    int blocks = (queries + QUERIES - 1) / QUERIES, item = (int)get_global_id(0);
    int first = item % blocks * QUERIES, head = item / blocks % heads;
    float query[DEPTH * QUERIES], sum[COLUMNS * QUERIES], rows[KEYS * WIDEST];
    float16 weight[KEYS];
    BEGIN_HEAD(item / blocks / heads, head)
    transpose_queries(query, q, first, queries, q_token, scale);
    for (int e = 0; e < COLUMNS; e++)
        vstore16((float16)0.0f, e, sum);
    float16 top = -INFINITY, total = 0.0f;
    for (int key = 0; key < keys; key += KEYS) {
        int count = min(KEYS, keys - key);
        float16 before = top;
        copy_rows(rows, k + (size_t)key * k_token, count, k_token, DEPTH);
        for (int j = 0; j < count; j += 4)
            score_rows(weight, query, rows, j, count);
        for (int j = 0; j < count; j++) {
            weight[j] = fmax(weight[j] + MASK_LANES(key + j), LOWEST);
            top = fmax(top, weight[j]);
        }
        float16 factor = exp(before - top);
        total *= factor;
        for (int j = 0; j < count; j++) {
            weight[j] = exp(weight[j] - top);
            total += weight[j];
        }
        copy_rows(rows, v + (size_t)key * v_token, count, v_token, COLUMNS);
        add_values(sum, factor, weight, rows, count);
    }
    float16 inverse = 1.0f / total;
    for (int e = 0; e < COLUMNS; e++)
        vstore16(vload16(e, sum) * inverse, e, sum);
    for (int i = 0; i < QUERIES && first + i < queries; i++)
        for (int e = 0; e < COLUMNS; e++)
            STORE(y, (size_t)(first + i) * y_token + e, sum[e * QUERIES + i]);
}
#endif

#ifdef TILE
/* A group of 16 x 16 work-items computes 32 queries of a head, over blocks of 32 keys. A work-item has
 * the scores of 2 queries and 2 keys, and every 16th column of the same queries. */
#define SIDE 16
#define ROWS 32
#define WIDEST (DEPTH > COLUMNS ? DEPTH : COLUMNS)
#define PARTS ((COLUMNS + SIDE - 1) / SIDE)

static inline void load_rows(__local float *to, __global const T *from, int token, int first,
    int count, int width, int pitch, int lane) {
    for (int i = lane; i < ROWS * width; i += SIDE * SIDE) {
        int row = i / width, at = i % width;
        to[row * pitch + at] =
            first + row < count ? LOAD(from, (size_t)(first + row) * token + at) : 0.0f;
    }
}

/* Grid: blocks of queries, 1, samples x heads. */
__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1))) void attention_tile(
    ATTENTION_ARGUMENTS) {
    __local float query[ROWS * (DEPTH + 1)], rows[ROWS * (WIDEST + 1)], weight[ROWS][ROWS + 1];
    int x = get_local_id(0), z = get_local_id(1), lane = z * SIDE + x;
    int first = get_group_id(0) * ROWS, item = get_group_id(2);
    BEGIN_HEAD(item / heads, item % heads)
    float sum[2][PARTS], top[2], total[2];
    for (int h = 0; h < 2; h++) {
        top[h] = -INFINITY;
        total[h] = 0.0f;
        for (int p = 0; p < PARTS; p++)
            sum[h][p] = 0.0f;
    }
    load_rows(query, q, q_token, first, queries, DEPTH, DEPTH + 1, lane);
    for (int key = 0; key < keys; key += ROWS) {
        barrier(CLK_LOCAL_MEM_FENCE);
        load_rows(rows, k, k_token, key, keys, DEPTH, DEPTH + 1, lane);
        barrier(CLK_LOCAL_MEM_FENCE);
        float score[2][2] = {{0.0f, 0.0f}, {0.0f, 0.0f}};
        for (int d = 0; d < DEPTH; d++)
            for (int h = 0; h < 2; h++)
                for (int j = 0; j < 2; j++)
                    score[h][j] = fma(query[(z + h * SIDE) * (DEPTH + 1) + d],
                        rows[(x + j * SIDE) * (DEPTH + 1) + d], score[h][j]);
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < 2; j++) {
                int at = x + j * SIDE, row = min(first + z + h * SIDE, queries - 1);
                score[h][j] = key + at < keys
                    ? fmax(scale * score[h][j] + MASK_OF(row, key + at), LOWEST)
                    : -INFINITY;
                weight[z + h * SIDE][at] = score[h][j];
            }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int h = 0; h < 2; h++) {
            float before = top[h];
            for (int j = 0; j < ROWS; j++)
                top[h] = fmax(top[h], weight[z + h * SIDE][j]);
            float factor = exp(before - top[h]);
            total[h] *= factor;
            for (int p = 0; p < PARTS; p++)
                sum[h][p] *= factor;
        }
        load_rows(rows, v, v_token, key, keys, COLUMNS, COLUMNS + 1, lane);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < 2; j++)
                weight[z + h * SIDE][x + j * SIDE] = exp(score[h][j] - top[h]);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = 0; j < ROWS; j++)
            for (int h = 0; h < 2; h++) {
                float each = weight[z + h * SIDE][j];
                total[h] += each;
                for (int p = 0; p < PARTS; p++)
                    sum[h][p] = fma(each,
                        rows[j * (COLUMNS + 1) + min(x + p * SIDE, COLUMNS - 1)], sum[h][p]);
            }
    }
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < PARTS; p++) {
            int row = first + z + h * SIDE, e = x + p * SIDE;
            if (row < queries && e < COLUMNS)
                STORE(y, (size_t)row * y_token + e, sum[h][p] / total[h]);
        }
}
#endif

#ifdef DIRECT
#define PART 16 /* columns */

/* Grid: parts of columns, queries, samples x heads. */
__kernel void attention_direct(ATTENTION_ARGUMENTS) {
    int first = get_global_id(0) * PART, row = get_global_id(1), item = get_global_id(2);
    if (first >= COLUMNS || row >= queries)
        return;
    int columns = min(PART, COLUMNS - first);
    BEGIN_HEAD(item / heads, item % heads)
    q += (size_t)row * q_token;
    float sum[PART], top = -INFINITY, total = 0.0f;
    for (int e = 0; e < PART; e++)
        sum[e] = 0.0f;
    for (int key = 0; key < keys; key++, k += k_token, v += v_token) {
        float score = 0.0f, before = top;
        for (int d = 0; d < DEPTH; d++)
            score = fma(LOAD(q, d), LOAD(k, d), score);
        score = fmax(scale * score + MASK_OF(row, key), LOWEST);
        top = fmax(before, score);
        float factor = exp(before - top), weight = exp(score - top);
        total = total * factor + weight;
        for (int e = 0; e < columns; e++)
            sum[e] = sum[e] * factor + weight * LOAD(v, first + e);
    }
    for (int e = 0; e < columns; e++)
        STORE(y, (size_t)row * y_token + first + e, sum[e] / total);
}
#endif
