#include "tools/lab/arrivals.h"

#include "runtime/base/file.h"
#include "tests/support.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static struct e2b_lab_times draw(const char *text, double rate, int64_t seconds, uint64_t seed) {
    struct e2b_lab_arrivals arrivals;
    struct e2b_lab_times times;
    struct e2b_error err = {0};
    assert_ok(e2b_lab_arrivals_init(&arrivals, text, &err), err);
    assert_ok(
        e2b_lab_arrivals_draw(&arrivals, rate, seconds * SECOND, seed, "m", &times, &err), err);
    e2b_lab_arrivals_finish(&arrivals);
    for (int i = 0; i < times.count; i++) {
        assert_true(times.ns[i] >= (i ? times.ns[i - 1] : 0));
        assert_true(times.ns[i] < seconds * SECOND);
    }
    return times;
}

/* Coefficient of variation of the gaps. */
static double variation(const struct e2b_lab_times *times) {
    double sum = 0, squares = 0;
    int count = times->count - 1;
    for (int i = 0; i < count; i++) {
        double gap = (double)(times->ns[i + 1] - times->ns[i]);
        sum += gap;
        squares += gap * gap;
    }
    return sqrt(squares / count - sum / count * (sum / count)) / (sum / count);
}

static void rates_and_variations_are_as_asked(void **state) {
    (void)state;
    const struct {
        const char *text;
        double variation, tolerance;
    } rows[] = {{"poisson", 1, 0.02}, {"gamma:0.5", 0.5, 0.02}, {"gamma:2", 2, 0.05},
        {"gamma:4", 4, 0.2}, {"gamma:8", 8, 0.8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct e2b_lab_times times = draw(rows[i].text, 1000, 400, 11);
        print_message(
            "%s: %d in 400 s, variation %.3f\n", rows[i].text, times.count, variation(&times));
        assert_true(fabs(times.count / 400e3 - 1) < 0.015 * fmax(1, rows[i].variation));
        assert_true(fabs(variation(&times) - rows[i].variation) < rows[i].tolerance);
        e2b_lab_times_finish(&times);
    }
}

static void a_burst_is_silent_between(void **state) {
    (void)state;
    struct e2b_lab_times times = draw("burst:100,300", 1000, 100, 5);
    assert_true(fabs(times.count / 100e3 - 1) < 0.05);
    int64_t longest = 0, silences = 0;
    for (int i = 1; i < times.count; i++) {
        int64_t gap = times.ns[i] - times.ns[i - 1];
        longest = gap > longest ? gap : longest;
        silences += gap > 300000000 - 1;
    }
    assert_true(longest < 340000000);
    assert_in_range(silences, 248, 251);
    e2b_lab_times_finish(&times);
}

static void the_same_seed_gives_the_same_times(void **state) {
    (void)state;
    struct e2b_lab_times a = draw("gamma:4", 500, 10, 1), b = draw("gamma:4", 500, 10, 1),
                         c = draw("gamma:4", 500, 10, 2);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.ns, b.ns, (size_t)a.count * sizeof *a.ns);
    assert_true(a.count != c.count || memcmp(a.ns, c.ns, (size_t)a.count * sizeof *a.ns));
    e2b_lab_times_finish(&a);
    e2b_lab_times_finish(&b);
    e2b_lab_times_finish(&c);
}

static char *write_trace(const char *text) {
    static char path[] = "/tmp/e2b-lab-trace-XXXXXX";
    struct e2b_error err = {0};
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    assert_ok(e2b_file_replace(path, text, strlen(text), &err), err);
    static char arrivals[64];
    snprintf(arrivals, sizeof arrivals, "trace:%s", path);
    return arrivals;
}

/* Gaps 1, 1, 4 and the 2 of the mean before it begins again: at 2 a second, halves of these. */
static void a_trace_is_stretched_and_repeated(void **state) {
    (void)state;
    char *name = write_trace("# seconds\n10\n11\n12\n16\n");
    struct e2b_lab_times times = draw(name, 2, 100, 3);
    const int64_t gaps[] = {SECOND / 4, SECOND / 4, SECOND, SECOND / 2};
    int place = -1;
    assert_in_range(times.count, 199, 200);
    for (int start = 0; start < 4; start++) {
        bool fits = true;
        for (int i = 1; i < times.count; i++)
            fits = fits && llabs(times.ns[i] - times.ns[i - 1] - gaps[(start + i - 1) % 4]) < 10;
        place = fits ? start : place;
    }
    assert_true(place >= 0);
    e2b_lab_times_finish(&times);
    unlink(name + strlen("trace:"));
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    struct e2b_lab_arrivals arrivals;
    struct e2b_error err = {0};
    const char *const wrong[] = {
        "poison", "gamma:0", "gamma:", "burst:5", "burst:1,2,3", "closed:0", "poisson:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(e2b_lab_arrivals_init(&arrivals, wrong[i], &err), E2B_INVALID, wrong[i], err);
    char *name = write_trace("1\n3\n2\n");
    assert_fails(e2b_lab_arrivals_init(&arrivals, name, &err), E2B_INVALID, ":3: expected", err);
    unlink(name + strlen("trace:"));
    assert_ok(e2b_lab_arrivals_init(&arrivals, "closed:7", &err), err);
    assert_int_equal(arrivals.clients, 7);
    e2b_lab_arrivals_finish(&arrivals);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_and_variations_are_as_asked),
        cmocka_unit_test(a_burst_is_silent_between),
        cmocka_unit_test(the_same_seed_gives_the_same_times),
        cmocka_unit_test(a_trace_is_stretched_and_repeated),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
