#include "runtime/engine/trace.h"

#include "runtime/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct e2b_trace {
    FILE *file;
    int64_t left; /* events */
    bool begun;
    int waiting[64]; /* last counts written, of the first models; -1 none */
};

/* Tracks of a model's process. */
enum {
    TRACK_DECISIONS = 1,
    TRACK_INSTANCES = 2,
    TRACK_COPIES_OUT = 30000, /* one behind each instance's */
    TRACK_COPIES_IN = 60000,
    TRACK_ENQUEUE = 60001,
    TRACK_SLOTS = 100000,
    INSTANCES_A_SIZE = 1000
};

static int instance_track(int size_index, int instance) {
    return TRACK_INSTANCES + size_index * INSTANCES_A_SIZE + instance;
}

enum e2b_status e2b_trace_create(
    const char *path, int64_t limit, struct e2b_trace **out, struct e2b_error *err) {
    struct e2b_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return e2b_fail_memory(err, "a trace");
    trace->file = fopen(path, "w");
    trace->left = limit;
    memset(trace->waiting, -1, sizeof trace->waiting);
    if (!trace->file) {
        free(trace);
        return e2b_fail_code(
            err, E2B_IO, errno, "cannot write the trace %s: %s", path, strerror(errno));
    }
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", trace->file);
    *out = trace;
    return E2B_OK;
}

enum e2b_status e2b_trace_close(struct e2b_trace *trace, struct e2b_error *err) {
    if (!trace)
        return E2B_OK;
    fputs("\n]}\n", trace->file);
    bool failed = ferror(trace->file);
    if (fclose(trace->file) || failed)
        e2b_fail(err, E2B_IO, "the trace could not be written in full");
    free(trace);
    return err->status;
}

static void print_string(FILE *file, const char *text) {
    putc('"', file);
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            fprintf(file, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            fprintf(file, "\\u%04x", *c);
        else
            putc(*c, file);
    putc('"', file);
}

static void begin_event(struct e2b_trace *trace, int model, int track, const char *phase) {
    fprintf(trace->file, "%s\n{\"pid\":%d,\"tid\":%d,\"ph\":\"%s\"", trace->begun ? "," : "",
        model + 1, track, phase);
    trace->begun = true;
}

/* Whether one more event may be written. */
static bool has_room(struct e2b_trace *trace) {
    if (!trace || trace->left == 0)
        return false;
    if (--trace->left == 0)
        e2b_log(E2B_LOG_WARN, "trace", "the trace is full: what follows is not recorded");
    return true;
}

static void print_time(struct e2b_trace *trace, const char *key, int64_t ns) {
    fprintf(trace->file, ",\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void name_track(
    struct e2b_trace *trace, int model, int track, const char *what, const char *name) {
    begin_event(trace, model, track, "M");
    fprintf(trace->file, ",\"name\":\"%s\",\"args\":{\"name\":", what);
    print_string(trace->file, name);
    fputs("}}", trace->file);
    begin_event(trace, model, track, "M");
    fprintf(trace->file, ",\"name\":\"%s_sort_index\",\"args\":{\"sort_index\":%d}}",
        !strcmp(what, "process_name") ? "process" : "thread", track);
}

void e2b_trace_model(
    struct e2b_trace *trace, int model, const struct e2b_sched_model *description) {
    char name[48];
    if (!trace)
        return;
    name_track(trace, model, 0, "process_name", description->name);
    name_track(trace, model, TRACK_DECISIONS, "thread_name", "decisions");
    for (int i = 0; i < description->size_count; i++)
        for (int j = 0; j < description->instances[i]; j++) {
            snprintf(name, sizeof name, "batches of %d, instance %d", description->sizes[i], j);
            name_track(trace, model, instance_track(i, j), "thread_name", name);
            snprintf(name, sizeof name, "out of %d, instance %d", description->sizes[i], j);
            name_track(trace, model, TRACK_COPIES_OUT + instance_track(i, j), "thread_name", name);
        }
    name_track(trace, model, TRACK_COPIES_IN, "thread_name", "copies to the device");
    name_track(trace, model, TRACK_ENQUEUE, "thread_name", "batches being enqueued");
    for (int slot = 0; slot < description->slot_count; slot++) {
        snprintf(name, sizeof name, "slot %d", slot);
        name_track(trace, model, TRACK_SLOTS + slot, "thread_name", name);
    }
}

void e2b_trace_decision(
    struct e2b_trace *trace, int64_t now_ns, const struct e2b_sched_action *action) {
    if (!has_room(trace))
        return;
    begin_event(trace, action->model, TRACK_DECISIONS, "i");
    print_time(trace, "ts", now_ns);
    fputs(",\"s\":\"t\",\"cat\":\"decision\"", trace->file);
    switch (action->kind) {
    case E2B_SCHED_RUN:
        fprintf(trace->file,
            ",\"name\":\"run %d\",\"args\":{\"first\":%d,\"count\":%d,\"size_index\":%d,"
            "\"instance\":%d,",
            action->count, action->first, action->count, action->size_index, action->instance);
        break;
    case E2B_SCHED_REJECT:
        fprintf(trace->file, ",\"name\":\"reject\",\"args\":{\"slot\":%d,", action->first);
        break;
    case E2B_SCHED_SET_TIMER:
        fprintf(trace->file, ",\"name\":\"wait\",\"args\":{\"us\":%.3f,",
            (double)(action->timer_ns - now_ns) / 1e3);
        break;
    }
    if (action->foreseen_ns > 0)
        fprintf(trace->file, "\"foreseen_us\":%.3f,\"allowed_us\":%.3f,",
            (double)action->foreseen_ns / 1e3, (double)action->allowed_ns / 1e3);
    fputs("\"reason\":", trace->file);
    print_string(trace->file, e2b_sched_reason_text(action->reason));
    fputs("}}", trace->file);
}

void e2b_trace_batch(struct e2b_trace *trace, const struct e2b_trace_batch *batch) {
    if (!has_room(trace))
        return;
    begin_event(trace, batch->model, instance_track(batch->size_index, batch->instance), "X");
    print_time(trace, "ts", batch->started_ns);
    print_time(trace, "dur", batch->ended_ns - batch->started_ns);
    fprintf(trace->file,
        ",\"cat\":\"batch\",\"name\":\"%d of %d\",\"args\":{\"first\":%d,\"count\":%d,"
        "\"size\":%d}}",
        batch->count, batch->size, batch->first, batch->count, batch->size);
}

void e2b_trace_copy(struct e2b_trace *trace, const struct e2b_trace_copy *copy) {
    bool in = copy->size_index < 0;
    if (copy->times.ended_ns == 0 || !has_room(trace))
        return;
    begin_event(trace, copy->model,
        in ? TRACK_COPIES_IN : TRACK_COPIES_OUT + instance_track(copy->size_index, copy->instance),
        "X");
    print_time(trace, "ts", copy->times.started_ns);
    print_time(trace, "dur", copy->times.ended_ns - copy->times.started_ns);
    fprintf(trace->file,
        ",\"cat\":\"transfer\",\"name\":\"%s\",\"args\":{\"first\":%d,\"count\":%d}}",
        in ? "in" : "out", copy->first, copy->count);
}

void e2b_trace_enqueue(
    struct e2b_trace *trace, int model, int count, int64_t from_ns, int64_t to_ns) {
    if (!has_room(trace))
        return;
    begin_event(trace, model, TRACK_ENQUEUE, "X");
    print_time(trace, "ts", from_ns);
    print_time(trace, "dur", to_ns - from_ns);
    fprintf(trace->file, ",\"cat\":\"host\",\"name\":\"enqueue\",\"args\":{\"count\":%d}}", count);
}

static void add_stage(struct e2b_trace *trace, int model, int number, enum e2b_slot_state state,
    int64_t from_ns, int64_t to_ns, enum e2b_status status) {
    bool copy = state == E2B_SLOT_COPYING || state == E2B_SLOT_DRAINING;
    if (!has_room(trace))
        return;
    begin_event(trace, model, TRACK_SLOTS + number, "X");
    print_time(trace, "ts", from_ns);
    print_time(trace, "dur", to_ns - from_ns);
    fprintf(trace->file, ",\"cat\":\"%s\",\"name\":\"%s\",\"args\":{\"status\":\"%s\"}}",
        copy ? "copy" : "slot", e2b_slot_state_name(state), e2b_status_name(status));
}

void e2b_trace_slot(struct e2b_trace *trace, int model, int number, const struct e2b_slot *slot,
    int64_t now_ns, enum e2b_status status) {
    if (!trace)
        return;
    for (int state = E2B_SLOT_FILLING; state <= (int)slot->state; state++) {
        bool last = state == (int)slot->state;
        int64_t from_ns = slot->entered_ns[state];
        int64_t to_ns = last ? now_ns : slot->entered_ns[state + 1];
        if (to_ns > from_ns)
            add_stage(trace, model, number, (enum e2b_slot_state)state, from_ns, to_ns, status);
    }
}

void e2b_trace_queue(struct e2b_trace *trace, int64_t now_ns, int model, int waiting) {
    bool known = trace && model < (int)(sizeof trace->waiting / sizeof *trace->waiting);
    if (!trace || (known && trace->waiting[model] == waiting) || !has_room(trace))
        return;
    if (known)
        trace->waiting[model] = waiting;
    begin_event(trace, model, 0, "C");
    print_time(trace, "ts", now_ns);
    fprintf(trace->file, ",\"name\":\"waiting\",\"args\":{\"slots\":%d}}", waiting);
}
