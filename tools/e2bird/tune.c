#include "tools/e2bird/command.h"

#include "runtime/engine/tuner.h"
#include "runtime/pool/pool.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/session.h"

#include <stdio.h>

#define MAX_LAYERS_SHOWN 60

struct tune_args {
    const char *model, *device, *precision, *output;
    struct arg_ints batches;
    int seconds;
    bool again;
};

/* Distances between the slots that a server would use, so that its graphs have the same calls. */
static void slot_strides(const struct session *session, const struct e2b_io *io, int64_t *stride) {
    size_t bytes = e2b_dtype_bytes(io->dtype);
    int64_t count = 1;
    for (int i = e2b_model_is_batchable(session->model) ? 1 : 0; i < io->shape.rank; i++)
        count *= io->shape.dims[i];
    int64_t align = e2b_pool_align(&session->device->traits);
    *stride = e2b_pool_stride(count * (int64_t)bytes, align) / (int64_t)bytes;
}

static enum e2b_status make_graph(const struct session *session, int batch,
    enum e2b_dtype precision, struct e2b_graph **out, struct e2b_error *err) {
    const struct e2b_model *model = session->model;
    int64_t in[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    for (int i = 0; i < e2b_model_input_count(model); i++)
        slot_strides(session, e2b_model_input(model, i), &in[i]);
    for (int i = 0; i < e2b_model_output_count(model); i++)
        slot_strides(session, e2b_model_output(model, i), &outputs[i]);
    struct e2b_graph_options options = {
        .batch = batch,
        .precision = precision,
        .input_stride = in,
        .output_stride = outputs,
        .image = {.input = -1},
    };
    e2b_plan_suit_graph(&session->device->traits, &options);
    if (!e2b_model_is_batchable(model) && e2b_model_input_count(model) > 0)
        options.batch = (int)e2b_model_input(model, 0)->shape.dims[0];
    return e2b_graph_create(session->model, &options, out, err);
}

static void print_row(const struct e2b_tuner_row *row) {
    static const char *const states[] = {
        [E2B_TUNER_LEFT] = "no time was left", [E2B_TUNER_FAILED] = "does not run"};
    const struct e2b_tuned *tuned = &row->tuned;
    char best[64];
    printf("%5d  %-46.46s %5d  %-14.14s", row->batch, row->name, row->count, row->default_variant);
    if (states[row->state]) {
        printf("  %s\n", states[row->state]);
        return;
    }
    snprintf(best, sizeof best, "%s, %d", tuned->variant, tuned->candidate);
    printf(" %9.4f  %-18.18s %9.4f %6.2fx%s\n", (double)tuned->default_ns / 1e6, best,
        (double)tuned->best_ns / 1e6, (double)tuned->default_ns / (double)tuned->best_ns,
        row->state == E2B_TUNER_KNOWN ? "  known" : "");
}

static void print_report(const struct e2b_tuner_report *report) {
    double before = 0, after = 0;
    int counts[E2B_TUNER_FAILED + 1] = {0};
    printf("%5s  %-46s %5s  %-14s %9s  %-18s %9s %7s\n", "batch", "layer", "times", "default", "ms",
        "best, candidate", "ms", "gain");
    for (int i = 0; i < report->row_count; i++) {
        const struct e2b_tuner_row *row = &report->rows[i];
        counts[row->state]++;
        before += (double)row->tuned.default_ns * row->count / 1e6;
        after += (double)row->tuned.best_ns * row->count / 1e6;
        if (i < MAX_LAYERS_SHOWN)
            print_row(row);
    }
    if (report->row_count > MAX_LAYERS_SHOWN)
        printf("  ... and %d more\n", report->row_count - MAX_LAYERS_SHOWN);
    printf("%d layers measured in %.1f s, %d known before, %d left, %d do not run\n",
        counts[E2B_TUNER_TUNED], (double)report->spent_ns / 1e9, counts[E2B_TUNER_KNOWN],
        counts[E2B_TUNER_LEFT], counts[E2B_TUNER_FAILED]);
    if (after > 0)
        printf("those with a choice take %.3f ms in place of %.3f ms, %.2fx\n", after, before,
            before / after);
}

static enum e2b_status save_output(
    const struct tune_args *args, struct e2b_tuning *tuning, struct e2b_error *err) {
    if (!args->output)
        return E2B_OK;
    if (e2b_tuning_save(tuning, args->output, err) == E2B_OK)
        printf("written to %s\n", args->output);
    return err->status;
}

static enum e2b_status tune_graphs(const struct tune_args *args, struct session *session,
    struct e2b_graph *const *graphs, struct e2b_error *err) {
    struct e2b_tuner_report report = {0};
    const struct e2b_tuner_options options = {
        .budget_ns = (int64_t)args->seconds * 1000000000, .again = args->again};
    const char *path = e2b_tuning_path(session->tuning);
    if (e2b_tune(session->device, (const struct e2b_graph *const *)graphs, args->batches.count,
            session->tuning, path, &options, &report, err)
        == E2B_OK) {
        print_report(&report);
        printf("kept in %s\n", path[0] ? path : "no file: there is no cache folder");
        save_output(args, session->tuning, err);
    }
    e2b_tuner_report_finish(&report);
    return err->status;
}

static enum e2b_status tune_all(const struct tune_args *args, struct e2b_error *err) {
    struct session session = {0};
    struct e2b_graph *graphs[ARG_LIST_MAX] = {0};
    enum e2b_dtype precision;
    if (session_precision(args->precision, &precision, err) != E2B_OK
        || session_open(args->model, args->device, &session, err) != E2B_OK)
        return err->status;
    printf("%s, %s, on %s\n", args->model, args->precision, session.device->identity);
    for (int i = 0; i < args->batches.count && err->status == E2B_OK; i++)
        make_graph(&session, args->batches.items[i], precision, &graphs[i], err);
    if (err->status == E2B_OK)
        tune_graphs(args, &session, graphs, err);
    for (int i = 0; i < args->batches.count; i++)
        e2b_graph_destroy(graphs[i]);
    session_close(&session);
    return err->status;
}

static int tune(int argc, char **argv) {
    struct tune_args given = {
        .device = "auto", .precision = "fp32", .batches = {{1}, 1}, .seconds = 60};
    const struct arg args[] = {{"MODEL.onnx", NULL, "the network", ARG_TEXT, &given.model, 0, 0},
        {"--batch", "N,N,...", "batch sizes (default 1)", ARG_INTS, &given.batches, 1, 65536},
        {"--precision", "P", "fp32 or fp16 (default fp32)", ARG_TEXT, &given.precision, 0, 0},
        {"--device", "SELECT", "auto, gpu, cpu, an index or a part of a name (default auto)",
            ARG_TEXT, &given.device, 0, 0},
        {"--seconds", "S", "how long it may take (default 60)", ARG_INT, &given.seconds, 1, 86400},
        {"--output", "FILE", "write the device's results to this file too", ARG_TEXT, &given.output,
            0, 0},
        {"--again", NULL, "measure also what is known", ARG_FLAG, &given.again, 0, 0}, {0}};
    const struct arg_table table = {"tune",
        "Measures which kernels are fastest on this device for each layer of a network, the most\n"
        "expensive layers first, and keeps the results in the cache folder, where every command\n"
        "finds them. Only kernels that give the default's numbers are taken.",
        "  e2bird tune models/efficientnet_lite0.onnx\n"
        "  e2bird tune resnet50.onnx --batch 1,8,32 --precision fp16 --seconds 300\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    tune_all(&given, &err);
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_tune = {"tune", "find the fastest kernels for a network", tune};
