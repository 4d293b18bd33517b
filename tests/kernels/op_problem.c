#include "tests/kernels/op_problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t next_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* A value that fp32 holds exactly, and fp16 too where a case runs in both, so that all precisions
 * start from the same data. */
static double random_value(const struct e2b_case_input *input, bool only_f32, uint32_t *state) {
    bool is_float = e2b_dtype_is_float(input->dtype);
    double low = input->low, high = input->high;
    if (low == 0 && high == 0) {
        low = is_float ? -1 : 0;
        high = is_float ? 1 : input->dtype == E2B_BOOL ? 1 : 9;
    }
    double unit = (double)next_random(state) / (double)UINT32_MAX;
    if (!is_float)
        return fmin(floor(low + unit * (high - low + 1)), high);
    float value = (float)(low + unit * (high - low));
    return (double)(only_f32 ? value : e2b_float_from_half(e2b_half_from_float(value)));
}

static enum e2b_status fill_input(
    struct e2b_op_problem *problem, int index, struct e2b_error *err) {
    const struct e2b_case_input *input = &problem->test->inputs[index];
    struct e2b_operand *operand = &problem->inputs[index];
    if (input->dtype == E2B_NONE)
        return E2B_OK;
    operand->present = true;
    operand->tensor.dtype = input->dtype;
    operand->tensor.shape = input->shape;
    e2b_tensor_set_dense(&operand->tensor, 1);
    int64_t count = e2b_shape_count(&input->shape);
    problem->in[index] = calloc((size_t)count + 1, sizeof(double));
    if (!problem->in[index])
        return e2b_fail_memory(err, "a test input");
    uint32_t state = 2463534242u + 7919u * (uint32_t)index;
    for (int64_t i = 0; i < count; i++)
        problem->in[index][i] =
            input->values ? input->values[i] : random_value(input, problem->test->only_f32, &state);
    if (!input->constant)
        return E2B_OK;
    void *data = calloc((size_t)count + 1, e2b_dtype_bytes(input->dtype));
    if (!data)
        return e2b_fail_memory(err, "a test constant");
    e2b_from_double(input->dtype, problem->in[index], data, count);
    problem->constants[index] = (struct e2b_constant){
        .id = (uint64_t)index + 1, .dtype = input->dtype, .shape = input->shape, .data = data};
    operand->constant = &problem->constants[index];
    return E2B_OK;
}

static enum e2b_status import(struct e2b_op_problem *problem, struct e2b_error *err) {
    const struct e2b_op_case *test = problem->test;
    const struct e2b_op *op = problem->call.op;
    struct e2b_onnx_node node = {
        .name = "node",
        .type = test->onnx     ? test->onnx
            : op->onnx != NULL ? op->onnx[0]
                               : op->name,
        .opset = test->opset ? test->opset : 17,
        .input_count = test->input_count,
        .output_count = problem->call.output_count,
        .attrs = test->attrs,
        .attr_count = test->attr_count,
    };
    if (op->import && op->import(&node, problem->params, err) != E2B_OK)
        return err->status;
    if (op->has_epilogue) {
        struct e2b_epilogue *epilogue =
            (struct e2b_epilogue *)((char *)problem->params + op->epilogue_offset);
        epilogue->activation = test->activation;
        int residual = op->residual_input;
        if (residual && residual < test->input_count && problem->inputs[residual].present)
            epilogue->residual_input = residual;
    }
    if (test->adjust)
        test->adjust(problem->params);
    return E2B_OK;
}

enum e2b_status e2b_op_problem_init(
    struct e2b_op_problem *problem, const struct e2b_op_case *test, struct e2b_error *err) {
    memset(problem, 0, sizeof *problem);
    problem->test = test;
    const struct e2b_op *op = e2b_op_find(test->op);
    if (!op)
        return e2b_fail(err, E2B_NOT_FOUND, "there is no operator \"%s\"", test->op);
    problem->params = calloc(1, op->params_bytes + 1);
    if (!problem->params)
        return e2b_fail_memory(err, "parameters");
    problem->call = (struct e2b_call){.op = op,
        .name = "node",
        .params = problem->params,
        .input_count = test->input_count,
        .output_count = test->output_count ? test->output_count : 1,
        .inputs = problem->inputs,
        .outputs = problem->outputs};
    for (int i = 0; i < test->input_count; i++)
        if (fill_input(problem, i, err) != E2B_OK)
            return err->status;
    for (int i = 0; i < problem->call.output_count; i++)
        problem->outputs[i].present = true;
    if (import(problem, err) != E2B_OK || op->infer(&problem->call, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < problem->call.output_count; i++)
        e2b_tensor_set_dense(&problem->outputs[i].tensor, 1);
    return E2B_OK;
}

enum e2b_status e2b_op_problem_reference(struct e2b_op_problem *problem, struct e2b_error *err) {
    const double *in[E2B_MAX_INPUTS] = {NULL};
    for (int i = 0; i < problem->call.input_count; i++)
        in[i] = problem->in[i];
    for (int i = 0; i < problem->call.output_count; i++) {
        int64_t count = e2b_shape_count(&problem->outputs[i].tensor.shape);
        problem->out[i] = calloc((size_t)count + 1, sizeof(double));
        if (!problem->out[i])
            return e2b_fail_memory(err, "a reference");
    }
    problem->call.op->reference(&problem->call, in, problem->out);
    return E2B_OK;
}

void e2b_op_problem_finish(struct e2b_op_problem *problem) {
    for (int i = 0; i < E2B_CASE_INPUTS; i++) {
        free(problem->in[i]);
        free((void *)(uintptr_t)problem->constants[i].data);
    }
    for (int i = 0; i < E2B_MAX_OUTPUTS; i++)
        free(problem->out[i]);
    free(problem->params);
    memset(problem, 0, sizeof *problem);
}

double e2b_relative_error(const double *a, const double *b, int64_t count) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) {
            if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i])))
                return INFINITY;
            continue;
        }
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    if (norm == 0)
        return difference == 0 ? 0 : INFINITY;
    return sqrt(difference / norm);
}
