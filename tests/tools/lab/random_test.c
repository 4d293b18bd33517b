#include "tools/lab/random.h"

#include "tests/support.h"

#include <math.h>

#define DRAWS 400000

struct moments {
    double mean, deviation;
};

static struct moments moments_of(double (*draw)(struct e2b_lab_random *random)) {
    struct e2b_lab_random random = e2b_lab_random_make(9, "moments");
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = draw(&random);
        sum += x;
        squares += x * x;
    }
    double mean = sum / DRAWS;
    return (struct moments){mean, sqrt(squares / DRAWS - mean * mean)};
}

static double gamma_third(struct e2b_lab_random *random) {
    return e2b_lab_random_gamma(random, 1.0 / 3);
}

static double gamma_nine(struct e2b_lab_random *random) {
    return e2b_lab_random_gamma(random, 9);
}

static void moments_are_those_of_the_distributions(void **state) {
    (void)state;
    const struct {
        double (*draw)(struct e2b_lab_random *random);
        double mean, deviation;
    } rows[] = {{e2b_lab_random_uniform, 0.5, sqrt(1.0 / 12)}, {e2b_lab_random_normal, 0, 1},
        {e2b_lab_random_exponential, 1, 1}, {gamma_third, 1.0 / 3, sqrt(1.0 / 3)},
        {gamma_nine, 9, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct moments got = moments_of(rows[i].draw);
        assert_true(fabs(got.mean - rows[i].mean) < 0.01 * (1 + rows[i].mean));
        assert_true(fabs(got.deviation - rows[i].deviation) < 0.02 * rows[i].deviation);
    }
}

static void streams_differ_by_seed_and_name(void **state) {
    (void)state;
    struct e2b_lab_random a = e2b_lab_random_make(1, "a"), again = a,
                          b = e2b_lab_random_make(1, "b"), c = e2b_lab_random_make(2, "a");
    uint64_t first = e2b_lab_random_bits(&a);
    assert_true(first == e2b_lab_random_bits(&again));
    assert_true(first != e2b_lab_random_bits(&b));
    assert_true(first != e2b_lab_random_bits(&c));
    for (int i = 0; i < 1000; i++)
        assert_in_range(e2b_lab_random_below(&a, 7), 0, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(streams_differ_by_seed_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
