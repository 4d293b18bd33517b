#include "runtime/base/memory.h"

#include "tests/support.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (1 << 20)

/* Of the mapping that begins there, in KiB. */
static size_t resident_kib(const void *begin) {
    char line[512], start[32];
    size_t kib = 0;
    bool inside = false, found = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    if (!file)
        e2b_skip("there is no /proc/self/smaps");
    snprintf(start, sizeof start, "%lx-", (unsigned long)(uintptr_t)begin);
    while (!found && fgets(line, sizeof line, file)) {
        inside |= !strncmp(line, start, strlen(start));
        found = inside && sscanf(line, "Rss: %zu", &kib) == 1;
    }
    fclose(file);
    assert_true(found);
    return kib;
}

static unsigned char *map_code(FILE *file, int rights) {
    unsigned char *code = mmap(NULL, BYTES, rights, MAP_PRIVATE, fileno(file), 0);
    assert_ptr_not_equal(code, MAP_FAILED);
    return code;
}

static unsigned sum_of(const unsigned char *code) {
    unsigned sum = 0;
    for (size_t i = 0; i < BYTES; i += 512)
        sum += code[i];
    return sum;
}

static void code_is_given_back_unless_it_was_written_to(void **state) {
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    for (int i = 0; i < BYTES; i++)
        fputc(i % 251, file);
    assert_int_equal(fflush(file), 0);
    unsigned char *code = map_code(file, PROT_READ | PROT_EXEC);
    unsigned char *patched = map_code(file, PROT_READ | PROT_WRITE);
    unsigned sum = sum_of(code), unpatched = sum_of(patched);
    assert_int_equal(unpatched, sum);
    memset(patched + 4096, 77, 100);
    assert_int_equal(mprotect(patched, BYTES, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(resident_kib(code), BYTES / 1024);

    assert_true(e2b_memory_give_back() >= BYTES);
    assert_int_equal(resident_kib(code), 0);
    assert_int_equal(sum_of(code), sum);
    assert_int_equal(patched[4096], 77);
    assert_int_equal(resident_kib(patched), BYTES / 1024);
    munmap(code, BYTES);
    munmap(patched, BYTES);
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_is_given_back_unless_it_was_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
