/* What the threads of a warp do together. An executor is called for the warp's first thread; the
 * others follow it in memory. Fragments: PTX ISA, "Warp Level Matrix Instructions" and
 * "Asynchronous Warpgroup Level Matrix Instructions". */
#include "kernels/tensor.h"
#include "tests/ptx/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXEC(name) static void name(struct ptx_thread *t, const struct ptx_inst *i)
#define OP(n) (&i->operands[n])

static float half_of(uint64_t word, int which) {
    return e2b_float_from_half((uint16_t)(word >> (16 * which)));
}

static float tf32_of(uint64_t word) {
    uint32_t bits = (uint32_t)word & 0xffffe000;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Tensor cores cut off what does not fit a sum. */
static float cut_off(double sum) {
    float rounded = (float)sum;
    return fabs((double)rounded) > fabs(sum) ? nextafterf(rounded, 0) : rounded;
}

EXEC(load_matrices) {
    int count = strstr(i->name, ".x4") ? 4 : strstr(i->name, ".x2") ? 2 : 1;
    bool transposed = ptx_has(i, ".trans");
    for (int m = 0; m < count; m++) {
        uint16_t matrix[8][8];
        for (int row = 0; row < 8; row++) {
            struct ptx_thread *owner = &t[m * 8 + row];
            uint64_t at = ptx_address(owner, OP(count));
            const unsigned char *from = ptx_shared(owner, i, at, 16);
            if (at % 16)
                ptx_fail(owner, i, "misaligned row", at);
            if (!from)
                return;
            memcpy(matrix[row], from, 16);
        }
        for (int lane = 0; lane < PTX_WARP; lane++) {
            int row = lane / 4, column = lane % 4 * 2;
            uint32_t low = transposed ? matrix[column][row] : matrix[row][column];
            uint32_t high = transposed ? matrix[column + 1][row] : matrix[row][column + 1];
            ptx_set(&t[lane], OP(m), low | high << 16);
        }
    }
}

/* D[16][8] += A[16][k] B[k][8] from fragments; operands: 4 D, A, B, 4 C. */
struct fragments {
    int k, a_registers, b_registers;
    float a[16][16], b[16][8];
};

static void gather_half(struct ptx_thread *t, const struct ptx_inst *i, struct fragments *f) {
    for (int lane = 0; lane < PTX_WARP; lane++)
        for (int e = 0; e < 2; e++) {
            int row = lane / 4, at = lane % 4 * 2 + e;
            for (int r = 0; r < f->a_registers; r++)
                f->a[row + 8 * (r % 2)][at + 8 * (r / 2)] =
                    half_of(ptx_get(&t[lane], OP(4 + r)), e);
            for (int r = 0; r < f->b_registers; r++)
                f->b[at + 8 * r][row] = half_of(ptx_get(&t[lane], OP(4 + f->a_registers + r)), e);
        }
}

static void gather_tf32(struct ptx_thread *t, const struct ptx_inst *i, struct fragments *f) {
    for (int lane = 0; lane < PTX_WARP; lane++) {
        int row = lane / 4, at = lane % 4;
        for (int r = 0; r < 4; r++)
            f->a[row + 8 * (r % 2)][at + 4 * (r / 2)] = tf32_of(ptx_get(&t[lane], OP(4 + r)));
        for (int r = 0; r < 2; r++)
            f->b[at + 4 * r][row] = tf32_of(ptx_get(&t[lane], OP(8 + r)));
    }
}

EXEC(multiply_matrices) {
    bool deep = ptx_has(i, ".m16n8k16"), half = strstr(i->name, ".f32.f16.f16.f32");
    struct fragments f = {
        deep ? 16 : 8, half && !deep ? 2 : 4, half && !deep ? 1 : 2, {{0}}, {{0}}};
    if (!half && (deep || !strstr(i->name, ".tf32.tf32."))) {
        ptx_fail(t, i, "a shape unknown here", 0);
        return;
    }
    if (half)
        gather_half(t, i, &f);
    else
        gather_tf32(t, i, &f);
    int c = 4 + f.a_registers + f.b_registers;
    for (int lane = 0; lane < PTX_WARP; lane++) {
        float sums[4];
        for (int r = 0; r < 4; r++) {
            int row = lane / 4 + 8 * (r / 2), column = lane % 4 * 2 + r % 2;
            double sum = ptx_get_float(&t[lane], OP(c + r));
            for (int k = 0; k < f.k; k++)
                sum += (double)f.a[row][k] * f.b[k][column];
            sums[r] = cut_off(sum);
        }
        for (int r = 0; r < 4; r++)
            ptx_set_float(&t[lane], OP(r), sums[r]);
    }
}

/* shfl.sync.<mode>.b32 d(|p), a, b, c, members */
EXEC(shuffle) {
    uint64_t values[PTX_WARP];
    int first = i->count > 5 ? 2 : 1;
    for (int lane = 0; lane < PTX_WARP; lane++)
        values[lane] = ptx_get(&t[lane], OP(first));
    for (int lane = 0; lane < PTX_WARP; lane++) {
        int b = (int)ptx_get(&t[lane], OP(first + 1)) & 31;
        int from = ptx_has(i, ".bfly") ? lane ^ b
            : ptx_has(i, ".idx")       ? b
            : ptx_has(i, ".down")      ? lane + b
                                       : lane - b;
        ptx_set(&t[lane], OP(0), values[from >= 0 && from < PTX_WARP ? from : lane]);
    }
}

EXEC(reduce) {
    uint32_t most = 0;
    if (!ptx_has(i, ".max") || i->type != PTX_U32) {
        ptx_fail(t, i, "a reduction unknown here", 0);
        return;
    }
    for (int lane = 0; lane < PTX_WARP; lane++) {
        uint32_t value = (uint32_t)ptx_get(&t[lane], OP(1));
        most = value > most ? value : most;
    }
    for (int lane = 0; lane < PTX_WARP; lane++)
        ptx_set(&t[lane], OP(0), most);
}

EXEC(meet) {
    (void)t;
    (void)i;
}

/* 8 x 8 halves, two of a row each thread, to the other way round. */
EXEC(transpose) {
    uint16_t matrix[8][8];
    for (int lane = 0; lane < PTX_WARP; lane++) {
        uint32_t word = (uint32_t)ptx_get(&t[lane], OP(1));
        matrix[lane / 4][lane % 4 * 2] = (uint16_t)word;
        matrix[lane / 4][lane % 4 * 2 + 1] = (uint16_t)(word >> 16);
    }
    for (int lane = 0; lane < PTX_WARP; lane++)
        ptx_set(&t[lane], OP(0),
            matrix[lane % 4 * 2][lane / 4] | (uint32_t)matrix[lane % 4 * 2 + 1][lane / 4] << 16);
}

/* A row of a matrix that a descriptor tells, K-major: of 128 bytes permuted by 128, or of 16 bytes
 * whose halves lie apart. */
static bool read_row(struct ptx_thread *t, const struct ptx_inst *i, uint64_t descriptor, int row,
    float values[16]) {
    uint64_t start = (descriptor & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
    uint64_t permuted = descriptor >> 62, apart = (descriptor >> 16 & 0x3fff) << 4;
    if (permuted > 1) {
        ptx_fail(t, i, "a layout unknown here", descriptor);
        return false;
    }
    for (int chunk = 0; chunk < 2; chunk++) {
        uint64_t at = start + (uint64_t)(row / 8) * stride
            + (uint64_t)(row % 8) * (permuted ? 128 : 16)
            + (uint64_t)chunk * (permuted ? 16 : apart);
        at ^= permuted ? (at >> 7 & 7) << 4 : 0;
        const unsigned char *from = ptx_shared(t, i, at, 16);
        if (!from)
            return false;
        for (int k = 0; k < 8; k++) {
            uint16_t half;
            memcpy(&half, from + k * 2, 2);
            values[chunk * 8 + k] = e2b_float_from_half(half);
        }
    }
    return true;
}

static int columns_of(const struct ptx_inst *i) {
    const char *shape = strstr(i->name, ".m64n");
    return shape ? atoi(shape + 5) : 0;
}

#define A_REGISTERS 4

/* wgmma d, a, b, add, ...: a is a descriptor, or registers. */
static bool has_registers(const struct ptx_inst *i) {
    return i->count == columns_of(i) / 2 + A_REGISTERS + 5;
}

static void gather_rows(struct ptx_thread *t, const struct ptx_inst *i, float a[16][16]) {
    for (int lane = 0; lane < PTX_WARP; lane++)
        for (int r = 0; r < A_REGISTERS; r++)
            for (int e = 0; e < 2; e++)
                a[lane / 4 + 8 * (r % 2)][lane % 4 * 2 + e + 8 * (r / 2)] =
                    half_of(ptx_get(&t[lane], OP(columns_of(i) / 2 + r)), e);
}

/* This warp's 16 of the 64 rows. */
static void multiply_warpgroup(struct ptx_thread *t, const struct ptx_product *product) {
    static _Thread_local float b[256][16];
    const struct ptx_inst *i = product->inst;
    float a[16][16];
    int columns = columns_of(i), first = (int)(t->index / PTX_WARP % 4) * 16;
    if (has_registers(i))
        gather_rows(t, i, a);
    for (int row = 0; row < 16 && !has_registers(i); row++)
        if (!read_row(t, i, product->a, first + row, a[row]))
            return;
    for (int column = 0; column < columns; column++)
        if (!read_row(t, i, product->b, column, b[column]))
            return;
    for (int lane = 0; lane < PTX_WARP; lane++)
        for (int r = 0; r < columns / 2; r++) {
            int row = lane / 4 + 8 * (r / 2 % 2), column = r / 4 * 8 + lane % 4 * 2 + r % 2;
            double sum = product->add ? ptx_get_float(&t[lane], OP(r)) : 0;
            for (int k = 0; k < 16; k++)
                sum += (double)a[row][k] * b[column][k];
            ptx_set_float(&t[lane], OP(r), cut_off(sum));
        }
}

void ptx_finish_products(struct ptx_thread *first, struct ptx_warp *warp, int last_batch) {
    int kept = 0;
    for (int k = 0; k < warp->product_count; k++)
        if (warp->products[k].batch <= last_batch)
            multiply_warpgroup(first, &warp->products[k]);
        else
            warp->products[kept++] = warp->products[k];
    warp->product_count = kept;
}

EXEC(warpgroup) {
    struct ptx_warp *warp = &t->group->warps[t->index / PTX_WARP];
    if (ptx_has(i, ".fence")) {
        return;
    } else if (ptx_has(i, ".commit_group")) {
        warp->product_batch++;
    } else if (ptx_has(i, ".wait_group")) {
        ptx_finish_products(t, warp, warp->product_batch - 1 - (int)ptx_get(t, OP(0)));
    } else if (!strstr(i->name, ".f32.f16.f16")) {
        ptx_fail(t, i, "types unknown here", 0);
    } else {
        int a = columns_of(i) / 2, b = a + (has_registers(i) ? A_REGISTERS : 1);
        struct ptx_product product = {i, ptx_get(t, OP(a)), ptx_get(t, OP(b)),
            ptx_get(t, OP(b + 1)) != 0, warp->product_batch};
        if (!t->group->launch->late)
            multiply_warpgroup(t, &product);
        else if (warp->product_count == PTX_MAX_PRODUCTS)
            ptx_fail(t, i, "too many products under way", PTX_MAX_PRODUCTS);
        else
            warp->products[warp->product_count++] = product;
    }
}

static const struct {
    const char *name;
    ptx_exec *exec;
} table[] = {
    {"ldmatrix.", load_matrices},
    {"mma.sync.", multiply_matrices},
    {"movmatrix.sync.", transpose},
    {"shfl.sync.", shuffle},
    {"redux.sync.", reduce},
    {"bar.warp.sync", meet},
    {"wgmma.", warpgroup},
    {"setmaxnreg.", meet},
};

ptx_exec *ptx_find_warp(const char *name) {
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (!strncmp(name, table[k].name, strlen(table[k].name)))
            return table[k].exec;
    return NULL;
}
