#include "kernels/gemm/variants.h"

#include <math.h>
#include <string.h>

/* Strides of an operand over [batch..., row, column]; a dimension of 1 has stride 0. */
struct expanded {
    int64_t dims[E2B_MAX_RANK], stride[E2B_MAX_RANK];
};
#define ROW (E2B_MAX_RANK - 2)
#define COLUMN (E2B_MAX_RANK - 1)

static void expand(const struct e2b_shape *shape, const int64_t *stride, bool has_row,
    bool has_column, struct expanded *out) {
    int from = shape->rank - 1;
    for (int i = COLUMN; i >= 0; i--) {
        out->dims[i] = 1;
        out->stride[i] = 0;
        if (from < 0 || (i == COLUMN && !has_column) || (i == ROW && !has_row))
            continue;
        out->dims[i] = shape->dims[from];
        out->stride[i] = shape->dims[from] == 1 ? 0 : stride[from];
        from--;
    }
}

static void expand_operand(
    const struct e2b_call *call, int operand, bool dense, struct expanded *out) {
    struct e2b_operand of = operand == E2B_GEMM_Y ? call->outputs[0] : call->inputs[operand];
    int64_t stride[E2B_MAX_RANK];
    if (dense) {
        of.tensor.layout = E2B_ROW_MAJOR;
        e2b_tensor_set_dense(&of.tensor, 1);
    }
    e2b_operand_strides(&of, stride);
    bool flat_a = call->inputs[E2B_GEMM_A].tensor.shape.rank == 1;
    bool flat_b = call->inputs[E2B_GEMM_B].tensor.shape.rank == 1;
    bool has_row = operand == E2B_GEMM_B || !flat_a;
    bool has_column = operand == E2B_GEMM_A || !flat_b;
    expand(&of.tensor.shape, stride, has_row, has_column, out);
}

static void take(struct e2b_gemm *gemm, int operand, const struct expanded *from, bool transposed) {
    gemm->row[operand] = from->stride[transposed ? COLUMN : ROW];
    gemm->column[operand] = from->stride[transposed ? ROW : COLUMN];
    memcpy(gemm->batch[operand], from->stride, sizeof gemm->batch[operand]);
}

static bool merges(const struct e2b_gemm *gemm, int outer, int64_t inner_dim, int inner) {
    for (int o = 0; o < E2B_GEMM_OPERANDS; o++)
        if (gemm->batch[o][outer] != inner_dim * gemm->batch[o][inner])
            return false;
    return true;
}

static void copy_dim(struct e2b_gemm *gemm, int to, int from) {
    gemm->dims[to] = gemm->dims[from];
    for (int o = 0; o < E2B_GEMM_OPERANDS; o++)
        gemm->batch[o][to] = gemm->batch[o][from];
}

static void merge_batch(struct e2b_gemm *gemm) {
    int rank = 0;
    for (int i = 0; i < E2B_GEMM_BATCH_RANK; i++) {
        if (gemm->dims[i] == 1)
            continue;
        bool joins = rank && merges(gemm, rank - 1, gemm->dims[i], i);
        int64_t outer = joins ? gemm->dims[rank - 1] : 1;
        rank -= joins;
        copy_dim(gemm, rank, i);
        gemm->dims[rank++] *= outer;
    }
    gemm->rank = rank;
}

/* The densest batch dimension continues the rows of all operands but B, which it does not move. */
static void merge_rows(struct e2b_gemm *gemm) {
    int last = gemm->rank - 1;
    if (last < 0 || gemm->batch[E2B_GEMM_B][last] != 0)
        return;
    for (int o = 0; o < E2B_GEMM_OPERANDS; o++) {
        if (o == E2B_GEMM_B)
            continue;
        int64_t row = gemm->m == 1 ? gemm->batch[o][last] : gemm->row[o];
        if (gemm->batch[o][last] != gemm->m * row)
            return;
    }
    for (int o = 0; gemm->m == 1 && o < E2B_GEMM_OPERANDS; o++)
        if (o != E2B_GEMM_B)
            gemm->row[o] = gemm->batch[o][last];
    gemm->m *= gemm->dims[last];
    gemm->rank--;
}

void e2b_gemm_read(const struct e2b_call *call, bool dense, struct e2b_gemm *out) {
    const struct e2b_gemm_params *params = call->params;
    memset(out, 0, sizeof *out);
    struct expanded y, operand;
    expand_operand(call, E2B_GEMM_Y, dense, &y);
    out->m = y.dims[ROW];
    out->n = y.dims[COLUMN];
    memcpy(out->dims, y.dims, sizeof out->dims);
    take(out, E2B_GEMM_Y, &y, false);
    for (int i = 0; i < call->input_count && i < E2B_GEMM_Y; i++) {
        if (!call->inputs[i].present)
            continue;
        expand_operand(call, i, dense, &operand);
        bool transposed = i == E2B_GEMM_A ? params->trans_a : i == E2B_GEMM_B && params->trans_b;
        take(out, i, &operand, transposed);
        if (i == E2B_GEMM_A)
            out->k = operand.dims[transposed ? ROW : COLUMN];
    }
    merge_batch(out);
    merge_rows(out);
}

int64_t e2b_gemm_batches(const struct e2b_gemm *gemm) {
    int64_t count = 1;
    for (int i = 0; i < gemm->rank; i++)
        count *= gemm->dims[i];
    return count;
}

int64_t e2b_gemm_offset(const struct e2b_gemm *gemm, int operand, int64_t batch) {
    int64_t offset = 0;
    for (int i = gemm->rank - 1; i >= 0; i--) {
        offset += batch % gemm->dims[i] * gemm->batch[operand][i];
        batch /= gemm->dims[i];
    }
    return offset;
}

bool e2b_gemm_has_sums(const struct e2b_call *call) {
    return e2b_has_input(call, E2B_GEMM_A_SUMS) || e2b_has_input(call, E2B_GEMM_RESIDUAL_SUMS)
        || (call->output_count > 1 && call->outputs[1].present);
}

int64_t e2b_gemm_sums_row(const struct e2b_tensor *sums) {
    int rank = sums->shape.rank;
    int64_t row = sums->stride[rank - 2], step = row;
    bool regular = sums->stride[rank - 1] == 1;
    for (int i = rank - 2; i >= 0; i--) {
        regular &= sums->shape.dims[i] == 1 || sums->stride[i] == step;
        step *= sums->shape.dims[i];
    }
    return regular ? row : -1;
}

/* A norm as references have it; sums NULL: none. */
struct norm {
    const double *sums, *scale, *shift;
    int64_t blocks;
    double epsilon, mean, factor; /* the last two of the row that was begun */
};

static struct norm norm_of(const struct e2b_call *call, int first, int64_t columns, float epsilon,
    const double *const *in) {
    if (!e2b_has_input(call, first))
        return (struct norm){0};
    return (struct norm){.sums = in[first],
        .scale = in[first + 1],
        .shift = in[first + 2],
        .blocks = columns / E2B_GEMM_BLOCK,
        .epsilon = (double)epsilon};
}

static void begin_row(struct norm *norm, int64_t row) {
    if (!norm->sums)
        return;
    const double *sums = norm->sums + row * 2 * norm->blocks;
    double length = (double)(norm->blocks * E2B_GEMM_BLOCK), sum = 0, squares = 0;
    for (int64_t i = 0; i < norm->blocks; i++)
        sum += sums[2 * i];
    norm->mean = sum / length;
    for (int64_t i = 0; i < norm->blocks; i++) {
        double apart = sums[2 * i] / E2B_GEMM_BLOCK - norm->mean;
        squares += sums[2 * i + 1] + E2B_GEMM_BLOCK * apart * apart;
    }
    norm->factor = 1 / sqrt(squares / length + norm->epsilon);
}

static double normalised(const struct norm *norm, int64_t column, double value) {
    return norm->sums
        ? (value - norm->mean) * norm->factor * norm->scale[column] + norm->shift[column]
        : value;
}

static void tell_sums(const double *y, int64_t blocks, double *out) {
    for (int64_t i = 0; i < blocks; i++, y += E2B_GEMM_BLOCK) {
        double sum = 0, squares = 0;
        for (int64_t j = 0; j < E2B_GEMM_BLOCK; j++)
            sum += y[j];
        for (int64_t j = 0; j < E2B_GEMM_BLOCK; j++)
            squares += (y[j] - sum / E2B_GEMM_BLOCK) * (y[j] - sum / E2B_GEMM_BLOCK);
        out[2 * i] = sum;
        out[2 * i + 1] = squares;
    }
}

static double addend(const struct e2b_gemm *gemm, int operand, const double *values, int64_t batch,
    int64_t i, int64_t j) {
    if (!values)
        return 0;
    return values[e2b_gemm_offset(gemm, operand, batch) + i * gemm->row[operand]
        + j * gemm->column[operand]];
}

void e2b_gemm_reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_gemm_params *params = call->params;
    const double *bias = call->input_count > E2B_GEMM_BIAS ? in[E2B_GEMM_BIAS] : NULL;
    const double *residual = params->epilogue.residual_input ? in[E2B_GEMM_RESIDUAL] : NULL;
    struct e2b_gemm g;
    e2b_gemm_read(call, true, &g);
    struct norm a_norm = norm_of(call, E2B_GEMM_A_SUMS, g.k, params->a_epsilon, in);
    struct norm r_norm = norm_of(call, E2B_GEMM_RESIDUAL_SUMS, g.n, params->residual_epsilon, in);
    for (int64_t batch = 0; batch < e2b_gemm_batches(&g); batch++) {
        const double *a = in[E2B_GEMM_A] + e2b_gemm_offset(&g, E2B_GEMM_A, batch);
        const double *b = in[E2B_GEMM_B] + e2b_gemm_offset(&g, E2B_GEMM_B, batch);
        double *y = out[0] + e2b_gemm_offset(&g, E2B_GEMM_Y, batch);
        for (int64_t i = 0; i < g.m; i++) {
            int64_t row = batch * g.m + i, blocks = g.n / E2B_GEMM_BLOCK;
            begin_row(&a_norm, row);
            begin_row(&r_norm, row);
            for (int64_t j = 0; j < g.n; j++) {
                double sum = 0;
                for (int64_t k = 0; k < g.k; k++)
                    sum +=
                        normalised(&a_norm, k, a[i * g.row[E2B_GEMM_A] + k * g.column[E2B_GEMM_A]])
                        * b[k * g.row[E2B_GEMM_B] + j * g.column[E2B_GEMM_B]];
                sum = (double)params->alpha * sum
                    + (double)params->beta * addend(&g, E2B_GEMM_BIAS, bias, batch, i, j)
                    + normalised(&r_norm, j, addend(&g, E2B_GEMM_RESIDUAL, residual, batch, i, j));
                y[i * g.row[E2B_GEMM_Y] + j * g.column[E2B_GEMM_Y]] =
                    e2b_activation_apply(&params->epilogue.activation, sum);
            }
            if (call->output_count > 1 && call->outputs[1].present)
                tell_sums(y + i * g.row[E2B_GEMM_Y], blocks, out[1] + row * 2 * blocks);
        }
    }
}
