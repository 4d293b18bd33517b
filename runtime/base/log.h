/* One-line log to stderr: "2026-11-23T05:06:07.123Z INFO engine: text". Any thread; each line is
 * written by one write(2), so lines never mix. */
#ifndef E2B_BASE_LOG_H
#define E2B_BASE_LOG_H

enum e2b_log_level { E2B_LOG_ERROR, E2B_LOG_WARN, E2B_LOG_INFO, E2B_LOG_DEBUG };

void e2b_log_set_level(enum e2b_log_level level);
enum e2b_log_level e2b_log_level_get(void);

/* area: the module that speaks, e.g. "engine". */
void e2b_log(enum e2b_log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Progress of long work for a person; what: "compiling kernels", text: the step at hand. Nothing is
 * said of work that ends within a second; of longer work a terminal shows one line rewritten in
 * place and anything else gets a line every few seconds, with an estimate of the time left.
 * done >= total ends it, fewer done than before begins anew. One thread at a time. */
void e2b_progress(const char *what, long done, long total, const char *text);

#endif
