#include "kernels/common/mma_tile.h"

#include "tests/kernels/common/mma_setting.h"
#include "tests/support.h"

static struct e2b_mma_choice choose(struct mma_setting *setting, int candidate) {
    setting->call.candidate = candidate;
    return e2b_mma_choose(&setting->call, &setting->problem);
}

static void few_tiles_are_split_and_many_are_not(void **state) {
    (void)state;
    struct mma_setting deep, wide;
    mma_start(&deep, E2B_F16, 1, 1, 4096, 64, 1);
    mma_start(&wide, E2B_F16, 64, 56, 64, 256, 1);
    assert_true(choose(&deep, 0).split > 1);
    assert_int_equal(choose(&wide, 0).split, 1);
    mma_finish(&deep);
    mma_finish(&wide);
}

/* A feed-forward product of eight times 128 tokens: what four groups of 128 x 192 tell each other
 * of their sums takes longer than the tiles of 64 x 96 that go round once. */
static void sums_that_are_shared_count_by_their_bytes(void **state) {
    (void)state;
    struct mma_setting setting;
    mma_start(&setting, E2B_F16, 1024, 1, 3072, 768, 1);
    setting.traits.ptx_sm = 90;
    struct e2b_mma_choice chosen = choose(&setting, 0);
    assert_true(chosen.split * chosen.tile->rows * chosen.tile->columns < 128 * 192);
    mma_finish(&setting);
}

static void candidates_come_cheapest_first(void **state) {
    (void)state;
    struct mma_setting deep;
    unsigned splits = 0;
    mma_start(&deep, E2B_F16, 1, 1, 4096, 64, 1);
    for (int i = 1; i < e2b_mma_candidates(&deep.call); i++) {
        struct e2b_mma_choice choice = choose(&deep, i);
        splits |= (unsigned)choice.split;
        assert_true(i == 1 || choice.cost >= choose(&deep, i - 1).cost);
    }
    assert_true(__builtin_popcount(splits) >= 3);
    mma_finish(&deep);
}

static void tiles_that_were_never_timed_are_candidates_only(void **state) {
    (void)state;
    struct mma_setting setting;
    int guessed = 0;
    mma_start(&setting, E2B_F16, 32, 35, 64, 96, 1);
    setting.traits.ptx_sm = 90;
    for (int i = 1; i < e2b_mma_candidates(&setting.call); i++)
        guessed += choose(&setting, i).tile->guessed;
    assert_true(guessed > 0);
    assert_false(choose(&setting, 0).tile->guessed);
    mma_finish(&setting);
}

/* As many stages as there is room for beside the weights that are kept. */
static void kept_weights_take_the_room_of_stages(void **state) {
    (void)state;
    struct mma_setting shallow, deep;
    mma_start(&shallow, E2B_F16, 40, 28, 64, 256, 1);
    mma_start(&deep, E2B_F16, 40, 28, 256, 256, 1);
    const struct e2b_mma_tile keeping = {128, 256, 8, 1, 8, 4, 1, 168, E2B_MMA_KEEPING, 1, false};
    struct mma_setting *const settings[] = {&shallow, &deep};
    int stages[2];
    for (int i = 0; i < 2; i++) {
        const struct e2b_call *call = &settings[i]->call;
        const struct e2b_mma_problem *problem = &settings[i]->problem;
        struct e2b_mma_shape shape = e2b_mma_shape_of(call, problem, &keeping);
        struct e2b_mma_tile tile = e2b_mma_deepened(call, problem, &keeping, 1);
        stages[i] = tile.stages;
        assert_int_equal(e2b_mma_stage_bytes(&keeping), 128 * 128);
        assert_true(e2b_mma_head_bytes(problem, &keeping, &shape) >= shape.slabs * 256 * 128);
        assert_true(tile.stages * e2b_mma_stage_bytes(&keeping)
                + e2b_mma_head_bytes(problem, &keeping, &shape)
            <= settings[i]->traits.local_bytes);
    }
    assert_true(stages[0] > stages[1]);
    mma_finish(&shallow);
    mma_finish(&deep);
}

/* Teams take what others leave idle of a unit: stages of all fit, each has slabs to go through, and
 * small images of many channels are expected to gain. */
static void teams_share_deep_tiles(void **state) {
    (void)state;
    struct mma_setting deep, shallow;
    int seen = 0;
    mma_start(&deep, E2B_F16, 8, 14, 256, 256, 3);
    mma_start(&shallow, E2B_F16, 8, 14, 64, 256, 1);
    deep.traits.ptx_sm = shallow.traits.ptx_sm = 90;
    for (int i = 1; i < e2b_mma_candidates(&deep.call); i++) {
        struct e2b_mma_choice choice = choose(&deep, i);
        struct e2b_mma_tile tile =
            e2b_mma_deepened(&deep.call, &deep.problem, choice.tile, choice.split);
        struct e2b_mma_shape shape = e2b_mma_shape_of(&deep.call, &deep.problem, &tile);
        seen += tile.teams > 1;
        assert_int_equal(e2b_mma_threads(&tile), 32 * tile.warps_m * tile.warps_n * tile.teams);
        assert_true(tile.teams * tile.stages * e2b_mma_stage_bytes(&tile)
                + e2b_mma_head_bytes(&deep.problem, &tile, &shape)
            <= deep.traits.local_bytes);
        assert_true(tile.teams == 1 || shape.slabs >= 2 * choice.split * tile.teams);
        assert_int_equal(choose(&shallow, i).tile->teams, 1);
    }
    assert_true(seen > 0);
    assert_true(choose(&deep, 0).tile->teams > 1);
    mma_finish(&deep);
    mma_finish(&shallow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_tiles_are_split_and_many_are_not),
        cmocka_unit_test(sums_that_are_shared_count_by_their_bytes),
        cmocka_unit_test(candidates_come_cheapest_first),
        cmocka_unit_test(tiles_that_were_never_timed_are_candidates_only),
        cmocka_unit_test(kept_weights_take_the_room_of_stages),
        cmocka_unit_test(teams_share_deep_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
