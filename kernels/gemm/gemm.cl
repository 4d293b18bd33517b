/* Y[batch][m][n] = activate(alpha A B + beta C + residual). One of PANEL, PACK, TILE, DIRECT, FINISH,
 * ROW_SUMS is defined. -DBIAS and -DRESIDUAL say that there are those operands, -DA_NORM and -DR_NORM
 * that A or the residual is normalised by sums of its rows (gemm.h). Strides are in elements. */

#define BLOCK 32 /* columns that have a sum */

#ifdef BIAS
#define BIAS_TENSOR , __global const T *bias, uint bias_at
#else
#define BIAS_TENSOR
#endif
#ifdef RESIDUAL
#define RESIDUAL_TENSOR , __global const T *residual, uint residual_at
#else
#define RESIDUAL_TENSOR
#endif
#define NORM_TENSORS(of)                                                                           \
    , __global const float *of##_sums, uint of##_sums_at, int of##_sums_row,                       \
        __global const T *of##_scale, uint of##_scale_at, __global const T *of##_shift,            \
        uint of##_shift_at, float of##_epsilon
#ifdef A_NORM
#define A_NORM_TENSORS NORM_TENSORS(a)
#else
#define A_NORM_TENSORS
#endif
#ifdef R_NORM
#define R_NORM_TENSORS NORM_TENSORS(r)
#else
#define R_NORM_TENSORS
#endif
#define GEMM_TENSORS                                                                               \
    __global T *y, uint y_at BIAS_TENSOR RESIDUAL_TENSOR A_NORM_TENSORS R_NORM_TENSORS

#define GEMM_GEOMETRY                                                                              \
    int m_count, int n_count, int k_count, int a_row, int a_column, int b_row, int b_column,       \
        int c_row, int c_column, int r_row, int r_column, int y_row, int y_column, int dim1,       \
        int dim2, int a_batch0, int a_batch1, int a_batch2, int b_batch0, int b_batch1,            \
        int b_batch2, int c_batch0, int c_batch1, int c_batch2, int r_batch0, int r_batch1,        \
        int r_batch2, int y_batch0, int y_batch1, int y_batch2, float alpha, float beta,           \
        float act_a, float act_b

/* Where an operand's matrix of this batch starts. */
#define BATCH(of)                                                                                  \
    (batch / (dim1 * dim2) * of##_batch0 + batch / dim2 % dim1 * of##_batch1                       \
        + batch % dim2 * of##_batch2)

#ifdef BIAS
#define BEGIN_BIAS bias += bias_at + BATCH(c);
#define ADD_BIAS(v, i, j) ((v) + beta * LOAD(bias, (i) * c_row + (j) * c_column))
#else
#define BEGIN_BIAS
#define ADD_BIAS(v, i, j) (v)
#endif
#ifdef RESIDUAL
#define BEGIN_RESIDUAL residual += residual_at + BATCH(r);
#define ADD_RESIDUAL(v, i, j)                                                                      \
    ((v) + NORMALISED_R(LOAD(residual, (i) * r_row + (j) * r_column), j))
#else
#define BEGIN_RESIDUAL
#define ADD_RESIDUAL(v, i, j) (v)
#endif
#define BEGIN_OUTPUT                                                                               \
    y += y_at + BATCH(y);                                                                          \
    BEGIN_BIAS                                                                                     \
    BEGIN_RESIDUAL
#define FINISH_ELEMENT(v, i, j)                                                                    \
    STORE(y, (i) * y_row + (j) * y_column,                                                         \
        activate(ADD_RESIDUAL(ADD_BIAS(alpha * (v), i, j), i, j), act_a, act_b))

#if defined(A_NORM) || defined(R_NORM)
/* Mean of a row, and the factor by which differences from it are taken. */
static inline float2 read_norm(__global const float *sums, int blocks, float epsilon) {
    float length = (float)(blocks * BLOCK), sum = 0.0f, squares = 0.0f;
    for (int i = 0; i < blocks; i++)
        sum += sums[2 * i];
    float mean = sum / length;
    for (int i = 0; i < blocks; i++) {
        float apart = sums[2 * i] / (float)BLOCK - mean;
        squares += sums[2 * i + 1] + (float)BLOCK * apart * apart;
    }
    return (float2)(mean, 1.0f / sqrt(squares / length + epsilon));
}
#endif
#define BEGIN_NORM(of, row, columns)                                                               \
    float2 of##_norm = read_norm(of##_sums + of##_sums_at + (size_t)(row)*of##_sums_row,           \
        (columns) / BLOCK, of##_epsilon);
#define NORMALISED(of, v, column)                                                                  \
    (((v)-of##_norm.x) * of##_norm.y * LOAD(of##_scale, of##_scale_at + (column))                  \
        + LOAD(of##_shift, of##_shift_at + (column)))
#ifdef A_NORM
#define BEGIN_A_NORM(row) BEGIN_NORM(a, row, k_count)
#define NORMALISED_A(v, column) NORMALISED(a, v, column)
#else
#define BEGIN_A_NORM(row)
#define NORMALISED_A(v, column) (v)
#endif
#ifdef R_NORM
#define BEGIN_R_NORM(row) BEGIN_NORM(r, row, n_count)
#define NORMALISED_R(v, column) NORMALISED(r, v, column)
#else
#define BEGIN_R_NORM(row)
#define NORMALISED_R(v, column) (v)
#endif

#ifdef PACK
/* B of every batch into panels [batch][panel][k][16], zero-padded. Grid: k, panel, batch. */
__kernel void gemm_pack(__global const T *b, uint b_at, __global float *packed, uint packed_at,
    int n_count, int k_count, int b_row, int b_column, int dim1, int dim2, int b_batch0,
    int b_batch1, int b_batch2) {
    int k = get_global_id(0), panel = get_global_id(1), batch = get_global_id(2);
    int columns = min(16, n_count - panel * 16);
    if (k >= k_count)
        return;
    b += b_at + BATCH(b) + k * b_row + panel * 16 * b_column;
    packed += packed_at
        + ((size_t)((size_t)batch * get_global_size(1) + panel) * k_count + k) * 16;
    for (int j = 0; j < 16; j++)
        packed[j] = j < columns ? LOAD(b, j * b_column) : 0.0f;
}
#endif

#ifdef PANEL
/* A work-item computes rows x panels of one batch in register tiles of ROWS rows (1 to 6) by 16
 * columns. B is packed as [panel][k][16], packed_batch floats a batch. */
#if ROWS > 5
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#elif ROWS == 5
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4)
#elif ROWS == 4
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3)
#elif ROWS == 3
#define EACH_ROW(DO) DO(0) DO(1) DO(2)
#elif ROWS == 2
#define EACH_ROW(DO) DO(0) DO(1)
#else
#define EACH_ROW(DO) DO(0)
#endif

#define ROW_BEGIN(i)                                                                               \
    __global const T *a##i = a + (size_t)min(first + i, m_count - 1) * a_row;                      \
    float8 low##i = 0.0f, high##i = 0.0f;
#define ROW_MULTIPLY(i)                                                                            \
    {                                                                                              \
        float8 each = (float8)LOAD(a##i, at);                                                      \
        low##i = fma(each, b_low, low##i);                                                         \
        high##i = fma(each, b_high, high##i);                                                      \
    }
#ifdef BIAS
#define ADD_BIAS8(v, i, j)                                                                         \
    ((v)                                                                                           \
        + beta                                                                                     \
            * (c_column ? LOAD8(bias, (i) * c_row + (j)) : (float8)LOAD(bias, (i) * c_row)))
#else
#define ADD_BIAS8(v, i, j) (v)
#endif
#ifdef RESIDUAL
#define ADD_RESIDUAL8(v, i, j) ((v) + LOAD8(residual, (i) * r_row + (j)))
#else
#define ADD_RESIDUAL8(v, i, j) (v)
#endif
/* Whole vectors need dense rows (contiguous); edges go one by one. */
#define VECTOR_FINISH(v, i, j)                                                                     \
    if (contiguous && (j) + 8 <= n_count) {                                                        \
        float8 sum = ADD_RESIDUAL8(ADD_BIAS8(alpha * (v), i, j), i, j);                            \
        STORE8(y, (i) * y_row + (j), activate8(sum, act_a, act_b));                                \
    } else {                                                                                       \
        float each[8];                                                                             \
        vstore8(v, 0, each);                                                                       \
        for (int l = 0; l < 8 && (j) + l < n_count; l++)                                           \
            FINISH_ELEMENT(each[l], i, (j) + l);                                                   \
    }
#define ROW_FINISH(i)                                                                              \
    if (first + i < m_count) {                                                                     \
        VECTOR_FINISH(low##i, first + i, panel * 16)                                               \
        VECTOR_FINISH(high##i, first + i, panel * 16 + 8)                                          \
    }

__kernel void gemm_panel(GEMM_TENSORS, __global const T *a, uint a_at,
    __global const float *packed, uint packed_at, int packed_batch, int row_blocks,
    int panel_blocks, int contiguous, GEMM_GEOMETRY) {
    int job = get_group_id(0);
    int batch = job / (row_blocks * panel_blocks), part = job % (row_blocks * panel_blocks);
    int row_block = part % row_blocks, panel_block = part / row_blocks;
    int panels = (n_count + 15) / 16, tiles = (m_count + ROWS - 1) / ROWS;
    int panel_begin = (long)panels * panel_block / panel_blocks;
    int panel_end = (long)panels * (panel_block + 1) / panel_blocks;
    int tile_begin = (long)tiles * row_block / row_blocks;
    int tile_end = (long)tiles * (row_block + 1) / row_blocks;
    BEGIN_OUTPUT
    a += a_at + BATCH(a);
    packed += packed_at + (size_t)batch * packed_batch;
    for (int tile = tile_begin; tile < tile_end; tile++) {
        int first = tile * ROWS;
        for (int panel = panel_begin; panel < panel_end; panel++) {
            __global const float *b = packed + (size_t)panel * k_count * 16;
            EACH_ROW(ROW_BEGIN)
            size_t at = 0;
            for (int k = 0; k < k_count; k++) {
                float8 b_low = vload8(0, b), b_high = vload8(1, b);
                b += 16;
                EACH_ROW(ROW_MULTIPLY)
                at += A_STEP;
            }
            EACH_ROW(ROW_FINISH)
        }
    }
}
#endif

#ifdef TILE
/* A group of 16x16 work-items computes 64 x 64 elements of one batch in steps of 16 along k, staged in
 * local memory. Grid: columns, rows, batch. */
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void gemm_tile(GEMM_TENSORS,
    __global const T *a, uint a_at, __global const T *b, uint b_at, GEMM_GEOMETRY) {
    __local float a_tile[16][64 + 1], b_tile[16][64 + 1];
    int i = get_local_id(0), j = get_local_id(1), lane = j * 16 + i, batch = get_group_id(2);
    int first_n = get_group_id(0) * 64, first_m = get_group_id(1) * 64;
    BEGIN_OUTPUT
    a += a_at + BATCH(a);
    b += b_at + BATCH(b);
    float sum[4][4];
    for (int p = 0; p < 4; p++)
        for (int q = 0; q < 4; q++)
            sum[p][q] = 0.0f;
    for (int k = 0; k < k_count; k += 16) {
        for (int part = 0; part < 4; part++) {
            /* Neighbours read along whichever dimension is dense. */
            int element = part * 256 + lane;
            int ak = a_column == 1 ? element % 16 : element / 64;
            int am = a_column == 1 ? element / 16 : element % 64;
            int bk = b_column == 1 ? element / 64 : element % 16;
            int bn = b_column == 1 ? element % 64 : element / 16;
            a_tile[ak][am] = k + ak < k_count && first_m + am < m_count
                ? LOAD(a, (first_m + am) * a_row + (k + ak) * a_column)
                : 0.0f;
            b_tile[bk][bn] = k + bk < k_count && first_n + bn < n_count
                ? LOAD(b, (k + bk) * b_row + (first_n + bn) * b_column)
                : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < 16; l++)
            for (int p = 0; p < 4; p++)
                for (int q = 0; q < 4; q++)
                    sum[p][q] =
                        fma(a_tile[l][j + 16 * p], b_tile[l][i + 16 * q], sum[p][q]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int p = 0; p < 4; p++)
        for (int q = 0; q < 4; q++) {
            int row = first_m + j + 16 * p, column = first_n + i + 16 * q;
            if (row < m_count && column < n_count)
                FINISH_ELEMENT(sum[p][q], row, column);
        }
}
#endif

#ifdef DIRECT
/* Grid: column, row, batch. */
__kernel void gemm_direct(GEMM_TENSORS, __global const T *a, uint a_at, __global const T *b,
    uint b_at, GEMM_GEOMETRY) {
    int column = get_global_id(0), row = get_global_id(1), batch = get_global_id(2);
    if (column >= n_count || row >= m_count)
        return;
    BEGIN_OUTPUT
    BEGIN_A_NORM(batch * m_count + row)
    BEGIN_R_NORM(batch * m_count + row)
    a += a_at + BATCH(a) + row * a_row;
    b += b_at + BATCH(b) + column * b_column;
    float sum = 0.0f;
    for (int k = 0; k < k_count; k++)
        sum = fma(NORMALISED_A(LOAD(a, k * a_column), k), LOAD(b, k * b_row), sum);
    FINISH_ELEMENT(sum, row, column);
}
#endif

#ifdef ROW_SUMS
/* Of a block of a row: the sum, and that of squared differences from the mean. Grid: block, row, batch.
 */
__kernel void gemm_sums(
    __global const T *y, uint y_at, __global float *sums, uint sums_at, GEMM_GEOMETRY) {
    int block = get_global_id(0), row = get_global_id(1), batch = get_global_id(2);
    if (block >= n_count / BLOCK || row >= m_count)
        return;
    y += y_at + BATCH(y) + row * y_row + block * BLOCK * y_column;
    float sum = 0.0f, squares = 0.0f;
    for (int j = 0; j < BLOCK; j++)
        sum += LOAD(y, j * y_column);
    float mean = sum / (float)BLOCK;
    for (int j = 0; j < BLOCK; j++)
        squares += (LOAD(y, j * y_column) - mean) * (LOAD(y, j * y_column) - mean);
    sums += sums_at + ((size_t)(batch * m_count + row) * (n_count / BLOCK) + block) * 2;
    sums[0] = sum;
    sums[1] = squares;
}
#endif

#ifdef FINISH
/* What a routine leaves to do, in place. Grid: column, row. */
__kernel void gemm_finish(GEMM_TENSORS, GEMM_GEOMETRY) {
    int column = get_global_id(0), row = get_global_id(1), batch = 0;
    if (column >= n_count || row >= m_count)
        return;
    BEGIN_OUTPUT
    float sum = LOAD(y, row * y_row + column * y_column);
    FINISH_ELEMENT(sum, row, column);
}
#endif
