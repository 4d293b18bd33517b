/* What a process keeps resident without need. */
#ifndef E2B_BASE_MEMORY_H
#define E2B_BASE_MEMORY_H

#include <stddef.h>

/* Gives the system what starting has left behind: free heap, and pages of code that nobody has
 * written to, which come back from their files when they run again (a compiler that was loaded
 * touches tens of MiB). Returns the bytes of code given back; 0 where the system does not tell
 * which pages those are. Takes about a millisecond; any thread. */
size_t e2b_memory_give_back(void);

#endif
