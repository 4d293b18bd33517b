/* Monotonic time in nanoseconds, the one clock of the process. Simulated components take the time
 * as an argument or from their device and never call this. */
#ifndef E2B_BASE_CLOCK_H
#define E2B_BASE_CLOCK_H

#include <stdint.h>

int64_t e2b_clock_ns(void);
void e2b_clock_sleep_ns(int64_t duration_ns);

/* Of one duration or more, which it sorts; of an even number the longer one in the middle. */
int64_t e2b_clock_median_ns(int64_t *durations_ns, int count);

#endif
