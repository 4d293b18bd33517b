#include "tools/lab/arrivals.h"

#include "runtime/base/file.h"
#include "tools/lab/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ARRIVALS 50000000

static enum e2b_status add_time(double *list[], int *count, int *capacity, double time) {
    if (*count == *capacity) {
        int wanted = *capacity ? 2 * *capacity : 1024;
        double *grown = realloc(*list, (size_t)wanted * sizeof *grown);
        if (!grown)
            return E2B_NO_MEMORY;
        *list = grown;
        *capacity = wanted;
    }
    (*list)[(*count)++] = time;
    return E2B_OK;
}

static enum e2b_status take_line(struct e2b_lab_arrivals *arrivals, const char *line,
    const char *path, int number, int *capacity, struct e2b_error *err) {
    char *end;
    double time = strtod(line, &end);
    if (line[0] == '#' || line[strspn(line, " \t\r")] == 0)
        return E2B_OK;
    int count = arrivals->trace_count;
    if (end == line || end[strspn(end, " \t\r")] || !isfinite(time) || time < 0
        || (count > 0 && time < arrivals->trace[count - 1]))
        return e2b_fail(err, E2B_INVALID,
            "%s:%d: expected seconds, not less than on the line before", path, number);
    if (add_time(&arrivals->trace, &arrivals->trace_count, capacity, time) != E2B_OK)
        return e2b_fail_memory(err, "a trace");
    return E2B_OK;
}

static enum e2b_status split_lines(struct e2b_lab_arrivals *arrivals, const struct e2b_file *file,
    const char *path, struct e2b_error *err) {
    int capacity = 0, number = 1;
    char line[64];
    for (size_t at = 0; at < file->bytes; number++) {
        const char *from = (const char *)file->data + at;
        const char *newline = memchr(from, '\n', file->bytes - at);
        size_t length = newline ? (size_t)(newline - from) : file->bytes - at;
        snprintf(
            line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line), from);
        if (take_line(arrivals, line, path, number, &capacity, err) != E2B_OK)
            return err->status;
        at += length + 1;
    }
    return E2B_OK;
}

static enum e2b_status read_trace(
    struct e2b_lab_arrivals *arrivals, const char *path, struct e2b_error *err) {
    struct e2b_file file = {0};
    if (e2b_file_map(path, &file, err) != E2B_OK)
        return err->status;
    split_lines(arrivals, &file, path, err);
    e2b_file_unmap(&file);
    int count = arrivals->trace_count;
    if (err->status != E2B_OK)
        return err->status;
    if (count < 2 || arrivals->trace[count - 1] <= arrivals->trace[0])
        return e2b_fail(err, E2B_INVALID, "%s: a trace needs two different times or more", path);
    double first = arrivals->trace[0], gap = (arrivals->trace[count - 1] - first) / (count - 1);
    for (int i = 0; i < count; i++)
        arrivals->trace[i] = (arrivals->trace[i] - first) / gap;
    return E2B_OK;
}

static bool parse_burst(struct e2b_lab_arrivals *arrivals, const char *value) {
    int used = 0;
    if (sscanf(value, "%lf,%lf%n", &arrivals->on_ns, &arrivals->off_ns, &used) != 2 || value[used])
        return false;
    arrivals->on_ns *= 1e6;
    arrivals->off_ns *= 1e6;
    return arrivals->on_ns >= 1e3 && arrivals->off_ns >= 0 && arrivals->on_ns < 1e15
        && arrivals->off_ns < 1e15;
}

static bool parse_number(const char *value, double low, double high, double *out) {
    char *end;
    *out = strtod(value, &end);
    return end != value && !*end && *out >= low && *out <= high;
}

static enum e2b_status parse(
    struct e2b_lab_arrivals *arrivals, const char *text, struct e2b_error *err) {
    size_t length = strcspn(text, ":");
    const char *value = text[length] ? text + length + 1 : "";
    double clients;
    if (!strcmp(text, "poisson")) {
        arrivals->kind = E2B_LAB_POISSON;
    } else if (!strncmp(text, "gamma:", 6) && parse_number(value, 0.1, 20, &arrivals->cv)) {
        arrivals->kind = E2B_LAB_GAMMA;
    } else if (!strncmp(text, "burst:", 6) && parse_burst(arrivals, value)) {
        arrivals->kind = E2B_LAB_BURST;
    } else if (!strncmp(text, "closed:", 7) && parse_number(value, 1, 100000, &clients)) {
        arrivals->kind = E2B_LAB_CLOSED;
        arrivals->clients = (int)clients;
    } else if (!strncmp(text, "trace:", 6)) {
        arrivals->kind = E2B_LAB_TRACE;
        return read_trace(arrivals, value, err);
    } else {
        return e2b_fail(err, E2B_INVALID,
            "arrivals \"%s\": expected poisson, gamma:CV (0.1..20), burst:ON_MS,OFF_MS, "
            "trace:FILE or closed:CLIENTS (1..100000)",
            text);
    }
    return E2B_OK;
}

enum e2b_status e2b_lab_arrivals_init(
    struct e2b_lab_arrivals *arrivals, const char *text, struct e2b_error *err) {
    memset(arrivals, 0, sizeof *arrivals);
    snprintf(arrivals->name, sizeof arrivals->name, "%s", text);
    if (parse(arrivals, text, err) != E2B_OK)
        e2b_lab_arrivals_finish(arrivals);
    return err->status;
}

void e2b_lab_arrivals_finish(struct e2b_lab_arrivals *arrivals) {
    free(arrivals->trace);
    memset(arrivals, 0, sizeof *arrivals);
}

/* A stream being drawn; times are in ns. */
struct stream {
    const struct e2b_lab_arrivals *arrivals;
    struct e2b_lab_random random;
    double gap_ns;  /* mean */
    double busy_ns; /* BURST: time passed in on-phases */
    double phase_ns;
    int place, turn; /* TRACE */
    double start;
};

static double next_burst(struct stream *stream) {
    const struct e2b_lab_arrivals *arrivals = stream->arrivals;
    double period_ns = arrivals->on_ns + arrivals->off_ns;
    stream->busy_ns +=
        stream->gap_ns * arrivals->on_ns / period_ns * e2b_lab_random_exponential(&stream->random);
    double periods = floor(stream->busy_ns / arrivals->on_ns);
    double in_phase = stream->busy_ns - periods * arrivals->on_ns;
    return periods * period_ns + in_phase - stream->phase_ns;
}

static double next_trace(struct stream *stream) {
    const struct e2b_lab_arrivals *arrivals = stream->arrivals;
    double at = stream->turn * (double)arrivals->trace_count + arrivals->trace[stream->place];
    if (++stream->place == arrivals->trace_count) {
        stream->place = 0;
        stream->turn++;
    }
    return (at - stream->start) * stream->gap_ns;
}

static double next_time(struct stream *stream, double last_ns) {
    double shape = 1;
    switch (stream->arrivals->kind) {
    case E2B_LAB_BURST:
        return next_burst(stream);
    case E2B_LAB_TRACE:
        return next_trace(stream);
    case E2B_LAB_GAMMA:
        shape = 1 / (stream->arrivals->cv * stream->arrivals->cv);
        return last_ns + stream->gap_ns * e2b_lab_random_gamma(&stream->random, shape) / shape;
    default:
        return last_ns + stream->gap_ns * e2b_lab_random_exponential(&stream->random);
    }
}

static void begin(struct stream *stream) {
    const struct e2b_lab_arrivals *arrivals = stream->arrivals;
    if (arrivals->kind == E2B_LAB_BURST)
        stream->phase_ns =
            (arrivals->on_ns + arrivals->off_ns) * e2b_lab_random_uniform(&stream->random);
    if (arrivals->kind == E2B_LAB_TRACE) {
        stream->place = e2b_lab_random_below(&stream->random, arrivals->trace_count);
        stream->start = arrivals->trace[stream->place];
    }
}

enum e2b_status e2b_lab_arrivals_draw(const struct e2b_lab_arrivals *arrivals, double rate_per_s,
    int64_t duration_ns, uint64_t seed, const char *name, struct e2b_lab_times *out,
    struct e2b_error *err) {
    memset(out, 0, sizeof *out);
    double expected = rate_per_s * (double)duration_ns / 1e9;
    if (!(expected >= 0) || expected > MOST_ARRIVALS)
        return e2b_fail(err, E2B_INVALID, "%g requests a second for %g s are more than %d requests",
            rate_per_s, (double)duration_ns / 1e9, MOST_ARRIVALS);
    struct stream stream = {.arrivals = arrivals,
        .random = e2b_lab_random_make(seed, name),
        .gap_ns = 1e9 / rate_per_s};
    int capacity = 0;
    begin(&stream);
    for (double ns = 0; rate_per_s > 0;) {
        ns = next_time(&stream, ns);
        if (ns >= (double)duration_ns)
            break;
        if (ns < 0) /* a burst's phase before the start */
            continue;
        if (out->count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            int64_t *grown = realloc(out->ns, (size_t)capacity * sizeof *grown);
            if (!grown) {
                e2b_lab_times_finish(out);
                return e2b_fail_memory(err, "times of arrival");
            }
            out->ns = grown;
        }
        out->ns[out->count++] = (int64_t)ns;
    }
    return E2B_OK;
}

void e2b_lab_times_finish(struct e2b_lab_times *times) {
    free(times->ns);
    memset(times, 0, sizeof *times);
}
