#include "runtime/base/log.h"

#include "runtime/base/clock.h"
#include "tests/support.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* stderr goes to a file while a test runs. */
static int kept_stderr;
static FILE *captured;

static int set_up(void **state) {
    (void)state;
    e2b_log_set_level(E2B_LOG_INFO);
    captured = tmpfile();
    kept_stderr = dup(STDERR_FILENO);
    return captured && dup2(fileno(captured), STDERR_FILENO) >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    return fclose(captured);
}

static const char *logged(void) {
    static char text[1 << 18];
    ssize_t len = pread(fileno(captured), text, sizeof text - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void line_has_time_level_and_area(void **state) {
    (void)state;
    regex_t pattern;
    assert_int_equal(regcomp(&pattern,
                         "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                         "WARN engine: 3 slots\n$",
                         REG_EXTENDED),
        0);
    e2b_log(E2B_LOG_WARN, "engine", "%d slots", 3);
    assert_int_equal(regexec(&pattern, logged(), 0, NULL, 0), 0);
    regfree(&pattern);
}

static void level_decides_what_is_written(void **state) {
    (void)state;
    e2b_log_set_level(E2B_LOG_WARN);
    assert_int_equal(e2b_log_level_get(), E2B_LOG_WARN);
    e2b_log(E2B_LOG_INFO, "a", "unseen");
    e2b_log(E2B_LOG_DEBUG, "a", "unseen");
    e2b_progress("work", 1, 2, "unseen");
    assert_string_equal(logged(), "");
    e2b_log(E2B_LOG_ERROR, "a", "seen");
    assert_non_null(strstr(logged(), "ERROR a: seen\n"));
}

static void text_cannot_forge_lines(void **state) {
    (void)state;
    e2b_log(E2B_LOG_INFO, "a", "x\ny\r\033[2Jz\x7f");
    assert_non_null(strstr(logged(), "a: x y  [2Jz \n"));
}

static void long_text_is_cut_at_a_line(void **state) {
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    e2b_log(E2B_LOG_INFO, "a", "%s", text);
    size_t len = strlen(logged());
    assert_in_range(len, 1000, 2048);
    assert_int_equal(logged()[len - 1], '\n');
}

static int count_lines(const char *text) {
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void short_work_makes_no_progress_lines(void **state) {
    (void)state;
    for (int pass = 0; pass < 3; pass++)
        for (long done = 0; done <= 1000; done++)
            e2b_progress("tuning", done, 1000, "conv");
    assert_string_equal(logged(), "");
}

static void long_work_tells_seldom_and_ends(void **state) {
    (void)state;
    e2b_progress("tuning", 0, 1000, "conv");
    e2b_clock_sleep_ns(1100000000);
    for (long done = 200; done <= 1000; done++)
        e2b_progress("tuning", done, 1000, "conv");
    const char *text = logged();
    long left = 0, spent = 0;
    const char *first = strstr(text, "INFO tuning: 200 of 1000, about ");
    const char *last = strstr(text, "INFO tuning: 1000 of 1000 in ");
    assert_true(first && last);
    assert_int_equal(sscanf(strstr(first, "about "), "about %ld s left: conv\n", &left), 1);
    assert_int_equal(sscanf(strstr(last, "in "), "in %ld s\n", &spent), 1);
    assert_in_range(left, 4 * spent, 4 * spent + 4);
    assert_true(spent >= 1);
    assert_int_equal(count_lines(text), 2);
}

static void work_cut_short_does_not_count_for_the_next(void **state) {
    (void)state;
    e2b_progress("tuning", 0, 10, "conv");
    e2b_progress("tuning", 5, 10, "conv");
    e2b_clock_sleep_ns(1100000000);
    e2b_progress("loading", 0, 10, "a");
    e2b_progress("loading", 10, 10, "b");
    assert_string_equal(logged(), "");
}

/* What is written to a terminal arrives at its other end a little later. */
static void read_until(int terminal, const char *end, char *seen, size_t capacity) {
    size_t length = 0;
    struct pollfd waiting = {.fd = terminal, .events = POLLIN};
    do {
        assert_int_equal(poll(&waiting, 1, 10000), 1);
        ssize_t got = read(terminal, seen + length, capacity - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
        seen[length] = '\0';
    } while (!strstr(seen, end));
}

static void terminal_gets_one_line_rewritten(void **state) {
    (void)state;
    char seen[4096];
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int screen = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(screen >= 0 && dup2(screen, STDERR_FILENO) >= 0);
    for (long done = 0; done < 100; done++)
        e2b_progress("tuning", done, 1000, "conv");
    e2b_clock_sleep_ns(1100000000);
    for (long done = 500; done <= 1000; done++)
        e2b_progress("tuning", done, 1000, "conv");
    read_until(terminal, "\n", seen, sizeof seen);
    close(screen);
    close(terminal);
    assert_ptr_equal(strstr(seen, "\r\033[Ktuning: 500 of 1000, about "), seen);
    assert_non_null(strstr(seen, "1000 of 1000 in "));
    assert_int_equal(count_lines(seen), 1);
}

enum { THREADS = 4, LINES = 200 };

static void *chatter(void *context) {
    char text[100];
    memset(text, *(char *)context, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        e2b_log(E2B_LOG_INFO, "thread", "%s", text);
    return NULL;
}

static void lines_of_threads_never_mix(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    char letters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        letters[i] = (char)('a' + i);
        assert_int_equal(pthread_create(&threads[i], NULL, chatter, &letters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int lines = 0;
    for (const char *at = logged(); *at; at = strchr(at, '\n') + 1, lines++) {
        const char *text = strstr(at, "thread: ") + 8;
        assert_int_equal(strspn(text, (char[]){text[0], '\0'}), 99);
        assert_int_equal(text[99], '\n');
    }
    assert_int_equal(lines, THREADS * LINES);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(line_has_time_level_and_area),
        TEST(level_decides_what_is_written),
        TEST(text_cannot_forge_lines),
        TEST(long_text_is_cut_at_a_line),
        TEST(short_work_makes_no_progress_lines),
        TEST(long_work_tells_seldom_and_ends),
        TEST(work_cut_short_does_not_count_for_the_next),
        TEST(terminal_gets_one_line_rewritten),
        TEST(lines_of_threads_never_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
