#include "runtime/base/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LEAST_KIB 256 /* resident: less is not worth a call */

/* One mapping as /proc/self/smaps describes it. */
struct mapping {
    uintptr_t begin, end;
    bool is_code;                 /* of a file, executable, not writable */
    size_t resident_kib, own_kib; /* own: copied when they were written to */
};

/* The first line of a mapping; others begin with a name and a colon. */
static bool read_place(const char *line, struct mapping *out) {
    char rights[8];
    unsigned long inode;
    struct mapping found = {0};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %lu", &found.begin, &found.end, rights,
            &inode)
        != 4)
        return false;
    found.is_code = inode != 0 && !strcmp(rights, "r-xp");
    *out = found;
    return true;
}

/* `Swap` is the last of the numbers that count here. */
static size_t take_line(const char *line, struct mapping *mapping) {
    size_t kib;
    if (read_place(line, mapping))
        return 0;
    if (sscanf(line, "Rss: %zu", &kib) == 1)
        mapping->resident_kib = kib;
    else if (sscanf(line, "Anonymous: %zu", &kib) == 1)
        mapping->own_kib = kib;
    else if (sscanf(line, "Swap: %zu", &kib) == 1 && mapping->is_code && mapping->own_kib + kib == 0
        && mapping->resident_kib >= LEAST_KIB
        && madvise((void *)mapping->begin, mapping->end - mapping->begin, MADV_DONTNEED) == 0)
        return mapping->resident_kib << 10;
    return 0;
}

size_t e2b_memory_give_back(void) {
    char line[512];
    struct mapping mapping = {0};
    size_t bytes = 0;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/smaps", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        bytes += take_line(line, &mapping);
    fclose(file);
    return bytes;
}
