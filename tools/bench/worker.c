/* e2bird as one of the engines that cpu_compare and gpu_compare measure in turns. Each line of
 * standard input is a request, each gets one line of answer: "ok ..." or "error TEXT".
 *   prepare BATCH FILE.npy   -> ok NS NS      made ready with that first input, ones in
 *                               others; first inference
 *   run COUNT [IN_A_ROW]     -> ok NS NS ...  COUNT times: from enqueue to end, of one inference or
 *                               of so many in a row, each one's share
 *   open MODEL.onnx          -> ok NS         another model in place of the first
 *   output FILE.npy          -> ok            the first output, written to the file
 * Before the first request it says: ok NS IDENTITY, the time to open device and model. */
#include "runtime/base/clock.h"
#include "tools/e2bird/npy.h"
#include "tools/e2bird/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 100000

struct worker {
    enum e2b_dtype dtype;
    const char *device_name, *variant;
    struct session session;
    struct execution execution;
};

static enum e2b_status write_first_input(
    struct worker *worker, const char *path, struct e2b_error *err) {
    const struct e2b_tensor *tensor = execution_input(&worker->execution, 0);
    struct npy array = {0};
    char expected[96], given[96];
    if (npy_read(path, &array, err) != E2B_OK)
        return err->status;
    if (array.dtype != tensor->dtype || !e2b_shape_equal(&array.shape, &tensor->shape))
        e2b_fail(err, E2B_INVALID, "the input is %s %s, %s holds %s %s",
            e2b_dtype_name(tensor->dtype),
            e2b_shape_print(&tensor->shape, expected, sizeof expected), path,
            e2b_dtype_name(array.dtype), e2b_shape_print(&array.shape, given, sizeof given));
    else
        execution_write(&worker->execution, 0, array.data, err);
    npy_finish(&array);
    return err->status;
}

/* Further inputs hold ones. */
static enum e2b_status fill_others(struct worker *worker, struct e2b_error *err) {
    const double one = 1;
    for (int i = 1; i < worker->execution.graph->input_count && err->status == E2B_OK; i++) {
        const struct e2b_tensor *tensor = execution_input(&worker->execution, i);
        size_t bytes = e2b_dtype_bytes(tensor->dtype);
        size_t count = (size_t)e2b_shape_count(&tensor->shape);
        char *data = malloc(count * bytes + 1);
        if (!data)
            return e2b_fail_memory(err, "an input");
        for (size_t k = 0; k < count; k++)
            e2b_from_double(tensor->dtype, &one, data + k * bytes, 1);
        execution_write(&worker->execution, i, data, err);
        free(data);
    }
    return err->status;
}

static enum e2b_status prepare(struct worker *worker, const char *request, struct e2b_error *err) {
    struct execution_options options = {
        .precision = worker->dtype, .force_variant = worker->variant};
    int path = 0;
    if (sscanf(request, "%d %n", &options.batch, &path) != 1 || options.batch < 1 || !path)
        return e2b_fail(err, E2B_INVALID, "expected: prepare BATCH FILE.npy, BATCH 1 or more");
    execution_finish(&worker->execution);
    int64_t start = e2b_clock_ns();
    if (execution_create(&worker->session, &options, &worker->execution, err) != E2B_OK
        || write_first_input(worker, request + path, err) != E2B_OK
        || fill_others(worker, err) != E2B_OK)
        return err->status;
    int64_t ready = e2b_clock_ns();
    if (execution_run(&worker->execution, err) == E2B_OK)
        printf("ok %" PRId64 " %" PRId64 "\n", ready - start, e2b_clock_ns() - ready);
    return err->status;
}

static enum e2b_status run(struct worker *worker, const char *request, struct e2b_error *err) {
    static int64_t times[MAX_RUNS];
    int count = 0, in_a_row = 1;
    if (sscanf(request, "%d %d", &count, &in_a_row) < 1 || count < 1 || count > MAX_RUNS
        || in_a_row < 1)
        return e2b_fail(err, E2B_INVALID,
            "expected: run COUNT [IN_A_ROW], COUNT 1..%d, IN_A_ROW 1 or more", MAX_RUNS);
    for (int i = 0; i < count; i++) {
        int64_t start = e2b_clock_ns();
        for (int k = 1; k < in_a_row; k++)
            if (execution_start(&worker->execution, err) != E2B_OK)
                return err->status;
        if (execution_run(&worker->execution, err) != E2B_OK)
            return err->status;
        times[i] = (e2b_clock_ns() - start) / in_a_row;
    }
    printf("ok");
    for (int i = 0; i < count; i++)
        printf(" %" PRId64, times[i]);
    printf("\n");
    return E2B_OK;
}

static enum e2b_status output(struct worker *worker, const char *path, struct e2b_error *err) {
    const struct e2b_tensor *tensor = execution_output(&worker->execution, 0);
    void *data = malloc((size_t)worker->execution.output_bytes[0] + 1);
    if (!data)
        return e2b_fail_memory(err, "an output");
    if (execution_read(&worker->execution, 0, data, err) == E2B_OK
        && npy_write(path, tensor->dtype, &tensor->shape, data, err) == E2B_OK)
        printf("ok\n");
    free(data);
    return err->status;
}

static enum e2b_status open_model(struct worker *worker, const char *path, struct e2b_error *err) {
    int64_t start = e2b_clock_ns();
    execution_finish(&worker->execution);
    session_close(&worker->session);
    if (session_open(path, worker->device_name, &worker->session, err) == E2B_OK)
        printf("ok %" PRId64 "\n", e2b_clock_ns() - start);
    return err->status;
}

static enum e2b_status answer(struct worker *worker, const char *line, struct e2b_error *err) {
    static const struct {
        const char *name;
        enum e2b_status (*answer)(struct worker *, const char *, struct e2b_error *);
    } requests[] = {
        {"prepare ", prepare}, {"run ", run}, {"output ", output}, {"open ", open_model}};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t length = strlen(requests[i].name);
        if (strncmp(line, requests[i].name, length))
            continue;
        if (requests[i].answer == prepare && !worker->session.device)
            return e2b_fail(err, E2B_INVALID, "no model is open");
        if ((requests[i].answer == run || requests[i].answer == output)
            && !worker->execution.instance)
            return e2b_fail(err, E2B_INVALID, "nothing is prepared yet");
        return requests[i].answer(worker, line + length, err);
    }
    return e2b_fail(err, E2B_INVALID, "unknown request; there are open, prepare, run and output");
}

static void answer_all(struct worker *worker) {
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        struct e2b_error err = {0};
        line[strcspn(line, "\n")] = 0;
        if (answer(worker, line, &err) != E2B_OK)
            printf("error %s\n", err.text);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) {
        fprintf(stderr,
            "usage: bench_worker MODEL.onnx PRECISION DEVICE [VARIANT]\n"
            "e2bird for cpu_compare and gpu_compare: reads requests, a line each, from standard "
            "input. VARIANT: the only one that its operator may take.\n"
            "  printf 'prepare 1 image.npy\\nrun 10\\n' | bench_worker resnet50.onnx fp32 auto\n");
        return 2;
    }
    struct worker worker = {.device_name = argv[3], .variant = argv[4]};
    struct e2b_error err = {0};
    int64_t start = e2b_clock_ns();
    if (session_precision(argv[2], &worker.dtype, &err) == E2B_OK
        && session_open(argv[1], worker.device_name, &worker.session, &err) == E2B_OK)
        printf("ok %" PRId64 " %s\n", e2b_clock_ns() - start, worker.session.device->identity);
    else
        printf("error %s\n", err.text);
    fflush(stdout);
    if (err.status == E2B_OK)
        answer_all(&worker);
    execution_finish(&worker.execution);
    session_close(&worker.session);
    return err.status == E2B_OK ? 0 : 1;
}
