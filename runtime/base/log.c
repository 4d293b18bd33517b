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
static const int64_t redraw_interval_ns = INT64_C(50000000);

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

static void draw_progress(const char *what, long done, long total, const char *text, bool ended) {
    char line[160];
    int len = snprintf(line, sizeof line, "\r\033[K%s %ld/%ld %.80s%s", what, done, total,
        ended ? "" : text, ended ? "\n" : "");
    atomic_store(&progress_on_screen, !ended);
    write_once(line, clamp(len, sizeof line - 1));
}

void e2b_progress(const char *what, long done, long total, const char *text) {
    static int64_t shown_ns;
    if (atomic_load(&threshold) < E2B_LOG_INFO)
        return;
    bool terminal = isatty(STDERR_FILENO), ended = done >= total;
    int64_t now = e2b_clock_ns();
    int64_t interval = terminal ? redraw_interval_ns : progress_interval_ns;
    if (!ended && shown_ns && now - shown_ns < interval)
        return;
    shown_ns = ended ? 0 : now;
    if (terminal)
        draw_progress(what, done, total, text, ended);
    else
        e2b_log(E2B_LOG_INFO, what, "%ld/%ld %s", done, total, text);
}
