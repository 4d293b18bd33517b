#include "tools/lab/rig.h"

#include "backends/opencl/opencl.h"
#include "backends/sim/sim.h"
#include "runtime/base/clock.h"
#include "tools/lab/random.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE_F32 1e-3
#define TOLERANCE_F16 5e-2
#define SLACK_NS 100000  /* a sleeping thread may wake that late */
#define LOOK_NS 200000   /* how often a counter is looked at */
#define UNREAD (1 << 14) /* answers at most: beyond them, who answers waits */

int64_t e2b_lab_rig_now_ns(const struct e2b_lab_rig *rig) {
    return rig->device->ops->now_ns(rig->device);
}

static bool is_enough(atomic_int *counter, int enough) {
    return counter && atomic_load(counter) >= enough;
}

static bool pass_virtual(
    struct e2b_lab_rig *rig, int64_t until_ns, atomic_int *counter, int enough) {
    for (;;) {
        int64_t timer_ns = e2b_engine_step(rig->engine);
        if (is_enough(counter, enough))
            return true;
        int64_t next_ns = e2b_sim_next_ns(rig->device);
        next_ns = timer_ns < next_ns ? timer_ns : next_ns;
        if (next_ns == INT64_MAX && until_ns == INT64_MAX)
            return !counter;
        if (e2b_lab_rig_now_ns(rig) >= until_ns)
            return true;
        e2b_sim_advance(rig->device, next_ns < until_ns ? next_ns : until_ns);
    }
}

bool e2b_lab_rig_pass(struct e2b_lab_rig *rig, int64_t until_ns, atomic_int *counter, int enough) {
    if (rig->stand_in)
        return pass_virtual(rig, until_ns, counter, enough);
    while (!is_enough(counter, enough)) {
        int64_t left_ns = until_ns - e2b_lab_rig_now_ns(rig);
        if (left_ns <= 0)
            return true;
        if (counter && left_ns > LOOK_NS)
            left_ns = LOOK_NS + SLACK_NS;
        if (left_ns > SLACK_NS)
            e2b_clock_sleep_ns(left_ns - SLACK_NS);
        else
            sched_yield();
    }
    return true;
}

/* Questions and answers. */

static int64_t output_count_of(const struct e2b_request *request, const struct e2b_lab_model *model,
    int output, const void **data, enum e2b_dtype *dtype) {
    size_t bytes;
    *data = e2b_request_output(request, 0, output, &bytes);
    *dtype = e2b_served_output(model->served, output)->dtype;
    return (int64_t)(bytes / e2b_dtype_bytes(*dtype));
}

/* Each question has a level of its own, so that answers differ even after an average. */
static void fill(
    void *to, enum e2b_dtype dtype, int64_t count, int question, struct e2b_lab_random *random) {
    double level = (question + 1.0) / E2B_LAB_QUESTIONS;
    for (int64_t i = 0; i < count; i++) {
        double x = level * e2b_lab_random_uniform(random);
        double value = dtype == E2B_U8 ? floor(256 * x) : e2b_dtype_is_float(dtype) ? 2 * x : 0;
        e2b_from_double(dtype, &value, (char *)to + i * (int64_t)e2b_dtype_bytes(dtype), 1);
    }
}

enum e2b_status e2b_lab_rig_ask(struct e2b_lab_rig *rig, int model, int question,
    struct e2b_request **out, struct e2b_error *err) {
    const struct e2b_lab_model *asked = &rig->models[model];
    if (e2b_request_open(asked->served, 1, out, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < asked->input_count; i++) {
        size_t bytes;
        void *to = e2b_request_input(*out, 0, i, &bytes);
        memcpy(to, asked->questions[question * asked->input_count + i], bytes);
    }
    return E2B_OK;
}

bool e2b_lab_rig_is_right(
    struct e2b_lab_rig *rig, int model, int question, const struct e2b_request *request) {
    const struct e2b_lab_model *asked = &rig->models[model];
    for (int output = 0; output < asked->output_count; output++) {
        const double *expected = asked->answers[question * asked->output_count + output];
        double difference = 0, norm = 0;
        const void *data;
        enum e2b_dtype dtype;
        int64_t count = output_count_of(request, asked, output, &data, &dtype);
        e2b_to_double(dtype, data, rig->scratch, count);
        for (int64_t i = 0; i < count; i++) {
            difference += (rig->scratch[i] - expected[i]) * (rig->scratch[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        if (!(difference <= rig->tolerance * rig->tolerance * norm))
            return false;
    }
    return true;
}

struct reply {
    struct e2b_lab_model *model;
    int question;
    struct e2b_error error;
    atomic_int come;
};

static void keep_answer(void *context, struct e2b_request *request, const struct e2b_error *err) {
    struct reply *reply = context;
    const struct e2b_lab_model *model = reply->model;
    reply->error = *err;
    for (int output = 0; err->status == E2B_OK && output < model->output_count; output++) {
        const void *data;
        enum e2b_dtype dtype;
        int64_t count = output_count_of(request, model, output, &data, &dtype);
        e2b_to_double(
            dtype, data, model->answers[reply->question * model->output_count + output], count);
    }
    e2b_request_close(request);
    atomic_store(&reply->come, 1);
}

static enum e2b_status ask_alone(
    struct e2b_lab_rig *rig, int model, int question, struct e2b_error *err) {
    struct reply reply = {.model = &rig->models[model], .question = question};
    struct e2b_request *request = NULL;
    if (e2b_lab_rig_ask(rig, model, question, &request, err) != E2B_OK)
        return err->status;
    e2b_request_submit(request, NULL, keep_answer, &reply);
    if (!e2b_lab_rig_pass(rig, INT64_MAX, &reply.come, 1))
        return e2b_fail(
            err, E2B_INTERNAL, "model \"%s\": a lone request is never answered", reply.model->name);
    if (reply.error.status != E2B_OK)
        *err = reply.error;
    return err->status;
}

static bool reserve_scratch(struct e2b_lab_rig *rig, int64_t count) {
    if (count <= rig->scratch_count)
        return true;
    double *grown = realloc(rig->scratch, (size_t)count * sizeof *grown);
    if (!grown)
        return false;
    rig->scratch = grown;
    rig->scratch_count = count;
    return true;
}

static enum e2b_status make_question(
    struct e2b_lab_rig *rig, struct e2b_lab_model *model, int question, struct e2b_error *err) {
    struct e2b_lab_random random = e2b_lab_random_make((uint64_t)question, model->name);
    struct e2b_request *request = NULL;
    if (e2b_request_open(model->served, 1, &request, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < model->input_count && err->status == E2B_OK; i++) {
        size_t bytes;
        e2b_request_input(request, 0, i, &bytes);
        enum e2b_dtype dtype = e2b_served_input(model->served, i)->dtype;
        unsigned char *data = malloc(bytes);
        if (!data)
            e2b_fail_memory(err, "a question");
        else
            fill(data, dtype, (int64_t)(bytes / e2b_dtype_bytes(dtype)), question, &random);
        model->questions[question * model->input_count + i] = data;
    }
    for (int i = 0; i < model->output_count && err->status == E2B_OK; i++) {
        const void *data;
        enum e2b_dtype dtype;
        int64_t count = output_count_of(request, model, i, &data, &dtype);
        model->answers[question * model->output_count + i] = malloc((size_t)count * sizeof(double));
        if (!model->answers[question * model->output_count + i] || !reserve_scratch(rig, count))
            e2b_fail_memory(err, "an answer");
    }
    e2b_request_close(request);
    return err->status;
}
static enum e2b_status learn(struct e2b_lab_rig *rig, int index, struct e2b_error *err) {
    struct e2b_lab_model *model = &rig->models[index];
    model->input_count = e2b_served_input_count(model->served);
    model->output_count = e2b_served_output_count(model->served);
    model->questions =
        calloc((size_t)(E2B_LAB_QUESTIONS * model->input_count) + 1, sizeof *model->questions);
    model->answers =
        calloc((size_t)(E2B_LAB_QUESTIONS * model->output_count) + 1, sizeof *model->answers);
    if (!model->questions || !model->answers)
        return e2b_fail_memory(err, "questions");
    for (int question = 0; question < E2B_LAB_QUESTIONS; question++)
        if (make_question(rig, model, question, err) != E2B_OK
            || ask_alone(rig, index, question, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

/* Life. */

static void name_model(char *out, size_t capacity, const char *file) {
    const char *slash = strrchr(file, '/');
    snprintf(out, capacity, "%s", slash ? slash + 1 : file);
    char *end = strstr(out, ".onnx");
    if (end)
        *end = 0;
}

static void take_sizes(
    const struct e2b_lab_rig_spec *spec, const char *name, struct e2b_serve_options *out) {
    const struct e2b_lab_timing *timing =
        spec->table ? e2b_lab_table_find(spec->table, name) : NULL;
    const int *sizes = spec->size_count || !timing ? spec->sizes : timing->sizes;
    out->size_count = spec->size_count || !timing ? spec->size_count : timing->size_count;
    for (int i = 0; i < out->size_count; i++) {
        out->sizes[i] = sizes[i];
        out->instances[i] = spec->instances;
    }
}

static enum e2b_status load(struct e2b_lab_rig *rig, const struct e2b_lab_rig_spec *spec,
    struct e2b_lab_model *model, struct e2b_error *err) {
    const char *file = spec->models[rig->model_count].file;
    name_model(model->name, sizeof model->name, file);
    model->target_ns = spec->models[rig->model_count].target_ns;
    struct e2b_serve_options options = {.name = model->name,
        .slot_count = spec->slots,
        .precision = spec->table ? E2B_F32 : spec->precision, /* the table tells what it takes */
        .image = {.input = -1},
        .target_ns = model->target_ns,
        .percentile = 100 * spec->percentile,
        .weight = 1};
    const struct e2b_lab_timing *timing =
        spec->table ? e2b_lab_table_find(spec->table, model->name) : NULL;
    if (spec->table && !timing)
        return e2b_fail(err, E2B_NOT_FOUND, "model \"%s\" is not in the table", model->name);
    take_sizes(spec, model->name, &options);
    if (timing)
        e2b_lab_stand_in_model(
            rig->stand_in, (int)(timing - spec->table->models), &model->model, err);
    else
        e2b_model_load(file, &model->model, err);
    if (err->status != E2B_OK)
        return err->status;
    return e2b_engine_add(rig->engine, model->model, &options, &model->served, err);
}

/* A batch begins with gathering. */
static struct e2b_lab_table gathering(const struct e2b_lab_table *from) {
    struct e2b_lab_table table = *from;
    for (int i = 0; i < table.count; i++) {
        struct e2b_lab_timing *timing = &table.models[i];
        for (int size = 0; size < timing->size_count; size++) {
            int64_t gather_ns = timing->sizes[size] * table.gather_host_ns;
            timing->host_ns[size] += gather_ns;
            timing->solo_ns[size] += gather_ns;
        }
    }
    return table;
}

static enum e2b_status open_device(struct e2b_lab_rig *rig, const struct e2b_lab_rig_spec *spec,
    const struct e2b_lab_contender *contender, struct e2b_error *err) {
    if (!spec->table)
        return e2b_opencl_open(
            &(struct e2b_opencl_options){.select = spec->device}, &rig->device, err);
    struct e2b_lab_table table = contender->gather ? gathering(spec->table) : *spec->table;
    if (e2b_lab_stand_in_create(&table, &rig->stand_in, err) == E2B_OK)
        rig->device = e2b_lab_stand_in_device(rig->stand_in);
    return err->status;
}

enum e2b_status e2b_lab_rig_init(struct e2b_lab_rig *rig, const struct e2b_lab_rig_spec *spec,
    const struct e2b_lab_contender *contender, struct e2b_error *err) {
    memset(rig, 0, sizeof *rig);
    rig->spec = *spec;
    rig->tolerance = !spec->table && spec->precision == E2B_F16 ? TOLERANCE_F16 : TOLERANCE_F32;
    const struct e2b_engine_options options = {.policy = contender->ops->name,
        .policy_values = contender->values,
        .manual = spec->table != NULL,
        .gather = contender->gather,
        .trace = spec->trace};
    if (!spec->table && !(rig->unread = e2b_ring_create(UNREAD, sizeof(void *))))
        return e2b_fail_memory(err, "a run's answers");
    if (open_device(rig, spec, contender, err) != E2B_OK
        || e2b_engine_create(rig->device, &options, &rig->engine, err) != E2B_OK)
        return err->status;
    for (; rig->model_count < spec->model_count; rig->model_count++)
        if (load(rig, spec, &rig->models[rig->model_count], err) != E2B_OK)
            return err->status;
    if (e2b_engine_start(rig->engine, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < rig->model_count; i++)
        if (learn(rig, i, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

static void forget(struct e2b_lab_model *model) {
    for (int i = 0; model->questions && i < E2B_LAB_QUESTIONS * model->input_count; i++)
        free(model->questions[i]);
    for (int i = 0; model->answers && i < E2B_LAB_QUESTIONS * model->output_count; i++)
        free(model->answers[i]);
    free(model->questions);
    free(model->answers);
    e2b_model_destroy(model->model);
}

void e2b_lab_rig_finish(struct e2b_lab_rig *rig) {
    e2b_engine_destroy(rig->engine);
    for (int i = 0; i < E2B_LAB_MAX_MODELS; i++)
        forget(&rig->models[i]);
    if (rig->stand_in)
        e2b_lab_stand_in_destroy(rig->stand_in);
    else if (rig->device)
        rig->device->ops->destroy(rig->device);
    e2b_ring_destroy(rig->unread);
    free(rig->scratch);
    memset(rig, 0, sizeof *rig);
}

enum e2b_status e2b_lab_rig_use(
    struct e2b_lab_rig *rig, const struct e2b_lab_contender *contender, struct e2b_error *err) {
    if (rig->stand_in) {
        const struct e2b_lab_rig_spec spec = rig->spec;
        e2b_lab_rig_finish(rig);
        return e2b_lab_rig_init(rig, &spec, contender, err);
    }
    return e2b_engine_restart(rig->engine,
        &(struct e2b_engine_options){.policy = contender->ops->name,
            .policy_values = contender->values,
            .gather = contender->gather,
            .trace = rig->spec.trace},
        err);
}
