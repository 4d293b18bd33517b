#include "runtime/base/log.h"

#include "runtime/base/clock.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static const int64_t progress_interval_ns = INT64_C(3000000000);
static const int64_t redraw_interval_ns = INT64_C(100000000);
static const int64_t quiet_ns = INT64_C(1000000000);

static _Atomic int threshold = E2B_LOG_INFO;
static atomic_bool progress_on_screen;

void e2b_log_set_level(enum e2b_log_level level) {
    atomic_store(&threshold, level);
}

enum e2b_log_level e2b_log_level_get(void) {
    return (enum e2b_log_level)atomic_load(&threshold);
}

/* Text of a request or a driver must not forge lines or move the cursor. */
static void hide_control_characters(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

static void write_once(const char *line, size_t len) {
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere left to report it */
}

static size_t clamp(int len, size_t limit) {
    if (len < 0)
        return 0;
    return (size_t)len < limit ? (size_t)len : limit;
}

static size_t stamp(char *out, size_t capacity) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(out, capacity, "%Y-%m-%dT%H:%M:%S", &utc);
    int rest = snprintf(out + len, capacity - len, ".%03ldZ", now.tv_nsec / 1000000);
    return len + clamp(rest, capacity - len - 1);
}

void e2b_log(enum e2b_log_level level, const char *area, const char *format, ...) {
    static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    if ((int)level > atomic_load(&threshold))
        return;
    char line[LINE_BYTES];
    const size_t limit = sizeof line - 1; /* room for the newline */
    size_t len = 0;
    if (atomic_exchange(&progress_on_screen, false))
        len = clamp(snprintf(line, limit, "\r\033[K"), limit - 1);
    len += stamp(line + len, limit - len);
    len +=
        clamp(snprintf(line + len, limit - len, " %s %s: ", names[level], area), limit - len - 1);
    va_list args;
    va_start(args, format);
    int text = vsnprintf(line + len, limit - len, format, args);
    va_end(args);
    hide_control_characters(line + len);
    len += clamp(text, limit - len - 1);
    line[len++] = '\n';
    write_once(line, len);
}

struct progress {
    int64_t started_ns, shown_ns; /* shown 0: nothing is on the screen or in the log yet */
    long done;
};

/* "42 s" or "3 min". */
static void print_seconds(int64_t duration_ns, char *text, size_t capacity) {
    long seconds = (long)((duration_ns + 500000000) / 1000000000);
    if (seconds < 120)
        snprintf(text, capacity, "%ld s", seconds);
    else
        snprintf(text, capacity, "%ld min", (seconds + 30) / 60);
}

static void show_progress(const struct progress *progress, const char *what, long total,
    const char *text, int64_t now_ns, bool terminal) {
    char line[200], time[32];
    int64_t spent_ns = now_ns - progress->started_ns;
    long done = progress->done;
    if (done >= total) {
        print_seconds(spent_ns, time, sizeof time);
        snprintf(line, sizeof line, "%ld of %ld in %s", total, total, time);
    } else if (done > 0) {
        double left = (double)spent_ns * ((double)(total - done) / (double)done);
        print_seconds((int64_t)left, time, sizeof time);
        snprintf(line, sizeof line, "%ld of %ld, about %s left: %.80s", done, total, time, text);
    } else {
        snprintf(line, sizeof line, "%ld of %ld: %.80s", done, total, text);
    }
    if (!terminal || done >= total) {
        e2b_log(E2B_LOG_INFO, what, "%s", line);
        return;
    }
    char drawn[256];
    hide_control_characters(line);
    int len = snprintf(drawn, sizeof drawn, "\r\033[K%.40s: %s", what, line);
    atomic_store(&progress_on_screen, true);
    write_once(drawn, clamp(len, sizeof drawn - 1));
}

void e2b_progress(const char *what, long done, long total, const char *text) {
    static struct progress progress;
    if (atomic_load(&threshold) < E2B_LOG_INFO)
        return;
    bool terminal = isatty(STDERR_FILENO), ended = done >= total;
    int64_t now_ns = e2b_clock_ns();
    if (!progress.started_ns || done < progress.done)
        progress = (struct progress){.started_ns = now_ns};
    progress.done = done;
    int64_t interval_ns = terminal ? redraw_interval_ns : progress_interval_ns;
    bool due = progress.shown_ns ? ended || now_ns - progress.shown_ns >= interval_ns
                                 : now_ns - progress.started_ns >= quiet_ns;
    if (due) {
        progress.shown_ns = now_ns;
        show_progress(&progress, what, total, text, now_ns, terminal);
    }
    if (ended)
        progress = (struct progress){0};
}
