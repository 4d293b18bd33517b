#include "backends/opencl/routine.h"

#include "backends/opencl/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef E2B_HAVE_CLBLAST
#include <clblast_c.h>

static const char sgemm_name[] = "clblast_sgemm";
enum { A, A_OFFSET, B, B_OFFSET, C, C_OFFSET, M, N, K, LDA, LDB, LDC, TRANSPOSE_B, ARGS };

struct e2b_routine {
    struct e2b_buffer *buffers[ARGS];
    uint32_t numbers[ARGS];
    uint32_t set; /* a bit an argument */
};

static bool is_buffer(int index) {
    return index == A || index == B || index == C;
}

void e2b_routine_destroy(struct e2b_routine *routine) {
    free(routine);
}

enum e2b_status e2b_routine_set_buffer(
    struct e2b_routine *routine, int index, struct e2b_buffer *buffer, struct e2b_error *err) {
    if (index < 0 || index >= ARGS || !is_buffer(index))
        return e2b_fail(
            err, E2B_INVALID, "%s: argument %d is no buffer; 0, 2 and 4 are", sgemm_name, index);
    routine->buffers[index] = buffer;
    routine->set |= 1U << index;
    return E2B_OK;
}

enum e2b_status e2b_routine_set_value(struct e2b_routine *routine, int index, const void *value,
    size_t bytes, struct e2b_error *err) {
    if (index < 0 || index >= ARGS || is_buffer(index))
        return e2b_fail(err, E2B_INVALID, "%s: argument %d is no number", sgemm_name, index);
    if (bytes != sizeof routine->numbers[index])
        return e2b_fail(
            err, E2B_INVALID, "%s: argument %d has 4 bytes, not %zu", sgemm_name, index, bytes);
    memcpy(&routine->numbers[index], value, bytes);
    routine->set |= 1U << index;
    return E2B_OK;
}

static enum e2b_status fail(CLBlastStatusCode code, struct e2b_error *err) {
    if (code == CLBlastInvalidDimension || code == CLBlastInvalidLeadDimA
        || code == CLBlastInvalidLeadDimB || code == CLBlastInvalidLeadDimC
        || code == CLBlastInsufficientMemoryA || code == CLBlastInsufficientMemoryB
        || code == CLBlastInsufficientMemoryC)
        return e2b_fail_code(err, E2B_INVALID, code,
            "%s: CLBlast code %d: a size or a leading dimension does not fit its matrix",
            sgemm_name, code);
    return e2b_cl_fail(err, code, "%s", sgemm_name);
}

enum e2b_status e2b_routine_enqueue(const struct e2b_routine *routine, cl_command_queue queue,
    cl_event *event, struct e2b_error *err) {
    if (routine->set != (1U << ARGS) - 1)
        return e2b_fail(
            err, E2B_INVALID, "%s: not all of its %d arguments were set", sgemm_name, ARGS);
    const uint32_t *v = routine->numbers;
    CLBlastStatusCode code = CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo,
        v[TRANSPOSE_B] ? CLBlastTransposeYes : CLBlastTransposeNo, v[M], v[N], v[K], 1.0f,
        routine->buffers[A]->mem, v[A_OFFSET], v[LDA], routine->buffers[B]->mem, v[B_OFFSET],
        v[LDB], 0.0f, routine->buffers[C]->mem, v[C_OFFSET], v[LDC], &queue, event);
    return code == CLBlastSuccess ? E2B_OK : fail(code, err);
}

enum e2b_status e2b_cl_routine_create(
    struct e2b_device *device, const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    (void)device;
    *out = NULL;
    if (strcmp(name, sgemm_name) != 0)
        return e2b_fail(err, E2B_UNSUPPORTED, "no routine \"%s\"; there is %s", name, sgemm_name);
    struct e2b_kernel *kernel = calloc(1, sizeof *kernel);
    struct e2b_routine *routine = calloc(1, sizeof *routine);
    if (!kernel || !routine) {
        free(kernel);
        free(routine);
        return e2b_fail_memory(err, "a routine");
    }
    kernel->routine = routine;
    *out = kernel;
    return E2B_OK;
}

#else

static enum e2b_status none(const char *name, struct e2b_error *err) {
    return e2b_fail(
        err, E2B_UNSUPPORTED, "no routine \"%s\": this e2bird was built without CLBlast", name);
}

void e2b_routine_destroy(struct e2b_routine *routine) {
    (void)routine;
}

enum e2b_status e2b_routine_set_buffer(
    struct e2b_routine *routine, int index, struct e2b_buffer *buffer, struct e2b_error *err) {
    (void)routine, (void)index, (void)buffer;
    return none("?", err);
}

enum e2b_status e2b_routine_set_value(struct e2b_routine *routine, int index, const void *value,
    size_t bytes, struct e2b_error *err) {
    (void)routine, (void)index, (void)value, (void)bytes;
    return none("?", err);
}

enum e2b_status e2b_routine_enqueue(const struct e2b_routine *routine, cl_command_queue queue,
    cl_event *event, struct e2b_error *err) {
    (void)routine, (void)queue, (void)event;
    return none("?", err);
}

enum e2b_status e2b_cl_routine_create(
    struct e2b_device *device, const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    (void)device;
    *out = NULL;
    return none(name, err);
}

#endif
