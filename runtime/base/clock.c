#include "runtime/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

int64_t e2b_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void e2b_clock_sleep_ns(int64_t duration_ns) {
    if (duration_ns <= 0)
        return;
    int64_t end = e2b_clock_ns() + duration_ns;
    struct timespec until = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static int compare_durations(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t e2b_clock_median_ns(int64_t *durations_ns, int count) {
    qsort(durations_ns, (size_t)count, sizeof *durations_ns, compare_durations);
    return durations_ns[count / 2];
}
