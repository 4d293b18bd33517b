#include "kernels/common/jobs.h"

#include "tests/support.h"

static const struct e2b_traits traits = {.compute_units = 4, .l2_bytes = 1 << 20};

static void check(int64_t tiles, int64_t panels, int64_t panel_bytes, int64_t times) {
    struct e2b_jobs jobs = e2b_jobs_cut(&traits, tiles, 4096, panels, panel_bytes, times);
    assert_in_range(jobs.tile_blocks, 1, tiles);
    assert_in_range(jobs.panel_blocks, 1, panels);
    int64_t largest = e2b_ceil_div(panels, jobs.panel_blocks);
    if (largest > 1)
        assert_true(largest * panel_bytes <= traits.l2_bytes / 2);
    int64_t all = jobs.tile_blocks * jobs.panel_blocks * times;
    assert_true(all >= 4 * traits.compute_units || all == tiles * panels * times);
}

static void jobs_fit_the_cache_and_suffice_for_all_units(void **state) {
    (void)state;
    const int64_t tiles[] = {1, 2, 9, 523, 100000}, panels[] = {1, 3, 32, 1000};
    const int64_t bytes[] = {64, 16384, 300000, 1 << 24}, times[] = {1, 12, 1000};
    for (int t = 0; t < 5; t++)
        for (int p = 0; p < 4; p++)
            for (int b = 0; b < 4; b++)
                for (int n = 0; n < 3; n++)
                    check(tiles[t], panels[p], bytes[b], times[n]);
}

static void unknown_traits_are_no_obstacle(void **state) {
    (void)state;
    struct e2b_jobs jobs = e2b_jobs_cut(&(struct e2b_traits){0}, 100, 64, 10, 4096, 1);
    assert_in_range(jobs.tile_blocks, 1, 100);
    assert_in_range(jobs.panel_blocks, 1, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_fit_the_cache_and_suffice_for_all_units),
        cmocka_unit_test(unknown_traits_are_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
