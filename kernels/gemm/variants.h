/* Inside the matrix product family: a call as plain numbers, and the variants. */
#ifndef E2B_KERNELS_GEMM_VARIANTS_H
#define E2B_KERNELS_GEMM_VARIANTS_H

#include "kernels/common/operand.h"
#include "kernels/gemm/gemm.h"

#define E2B_GEMM_Y 4 /* after the inputs that are matrices like it */
#define E2B_GEMM_OPERANDS 5
#define E2B_GEMM_BATCH_RANK (E2B_MAX_RANK - 2)
#define E2B_GEMM_KERNEL_BATCH 3 /* batch dimensions that kernels take */

/* Y[batch][m][n] = op(A)[batch][m][k] op(B)[batch][k][n]; strides in elements, 0 where an operand
 * broadcasts or is absent. Row and column are those of the operand's own matrix: m and k of A, k
 * and n of B, m and n of the rest. */
struct e2b_gemm {
    int64_t m, n, k;
    int rank; /* of the batch */
    int64_t dims[E2B_GEMM_BATCH_RANK];
    int64_t row[E2B_GEMM_OPERANDS], column[E2B_GEMM_OPERANDS];
    int64_t batch[E2B_GEMM_OPERANDS][E2B_GEMM_BATCH_RANK];
};

/* dense: with row-major dense strides, as references have them; else with those of the tensors. The
 * batch is merged to as few dimensions as can be, into the rows where B is the same for all. */
void e2b_gemm_read(const struct e2b_call *call, bool dense, struct e2b_gemm *out);
/* Whether the call takes or tells sums of rows. */
bool e2b_gemm_has_sums(const struct e2b_call *call);
/* Elements between rows of sums, whatever the batch; -1 if that differs. */
int64_t e2b_gemm_sums_row(const struct e2b_tensor *sums);
int64_t e2b_gemm_batches(const struct e2b_gemm *gemm);
int64_t e2b_gemm_offset(const struct e2b_gemm *gemm, int operand, int64_t batch);

void e2b_gemm_reference(const struct e2b_call *call, const double *const *in, double *const *out);

#define E2B_GEMM_VARIANT(name)                                                                     \
    bool e2b_gemm_##name##_accepts(                                                                \
        const struct e2b_call *call, char *reason, size_t reason_bytes);                           \
    enum e2b_status e2b_gemm_##name##_emit(                                                        \
        const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err)

E2B_GEMM_VARIANT(panel);   /* CPU: register tiles of 6 rows by a panel of 16 columns of packed B */
E2B_GEMM_VARIANT(mma);     /* tensor cores: see kernels/common/mma.h */
E2B_GEMM_VARIANT(tile);    /* GPU: tiles through local memory */
E2B_GEMM_VARIANT(direct);  /* a work-item an element, any case */
E2B_GEMM_VARIANT(clblast); /* the library's routine, and a launch for the rest */

/* Why no kernel of this family can run the call, or NULL. */
const char *e2b_gemm_refuses(const struct e2b_call *call, const struct e2b_gemm *gemm);

/* A launch of a kernel of gemm.cl with the options that all of them know and `more`; "GEMM_TENSORS"
 * there are its first arguments. NULL with err set. */
struct e2b_launch *e2b_gemm_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const char *kernel, const char *more, struct e2b_error *err);
/* A and B as pointer and offset each. */
enum e2b_status e2b_gemm_add_operand(const struct e2b_call *call, struct e2b_launch_list *list,
    struct e2b_launch *launch, int input, struct e2b_error *err);
/* The last arguments, "GEMM_GEOMETRY". */
void e2b_gemm_add_geometry(
    const struct e2b_call *call, const struct e2b_gemm *gemm, struct e2b_launch *launch);

#endif
