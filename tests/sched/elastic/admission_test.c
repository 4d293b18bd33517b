#include "sched/elastic/admission.h"

#include "tests/sched/elastic/fixture.h"
#include <limits.h>

static const struct e2b_policy_ops *const ops = &e2b_policy_elastic;

static bool has_reject(const struct e2b_sched_actions *actions) {
    for (int i = 0; i < actions->count; i++)
        if (actions->list[i].kind == E2B_SCHED_REJECT)
            return true;
    return false;
}

static void hopeless_slots_are_dropped_in_time(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(8);
    model.solo_ns[0] = 1000;
    model.solo_ns[1] = 1500;
    const struct e2b_script_step steps[] = {
        {READY_BY(0, 0, 999), "drop0:0(OVERLOAD)"},
        {READY_BY(0, 1, 1000), "run0:1+1/1#0(COMPOSED)"},
        {READY_BY(100, 3, 5000), "timer@4001"},
        {READY_BY(200, 5, 2500), "drop0:5(OVERLOAD)"},
        {TIMER(4000), ""},
        {DONE(4001, 0, 0), "drop0:3(HOPELESS)"},
    };
    PLAY_MODELS(&model, 1, "", steps);
}

/* Requests that have long after they are due are not refused for the sake of one another, in
 * whatever order they come and however long the queue is. */
static void a_far_deadline_refuses_nobody(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.slot_count = 1000;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "patience_us=2");
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < 1000; i++) {
        struct e2b_sched_event event = READY_BY(10000 + i / 10, i, 10000000);
        event.arrival_ns -= i % 7 * 300;
        ops->on_event(policy, &event, &actions);
    }
    for (int i = 0; i < actions.count; i++)
        assert_int_not_equal(actions.list[i].kind, E2B_SCHED_REJECT);
    assert_int_equal(ops->waiting(policy, 0), 999);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* What has no target does not keep one that has from being served when that is urgent, nor is it
 * refused for its sake. */
static void a_far_deadline_gives_way_to_a_near_one(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    models[1].target_ns = 4000;
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_READY, .now_ns = 1, .slot = 2, .arrival_ns = 1, .deadline_ns = 1000000},
            "timer@999001"},
        {{.kind = E2B_SCHED_READY, .now_ns = 2, .slot = 4, .arrival_ns = 2, .deadline_ns = 1000000},
            ""},
        {READY_OF(1, 3, 0), "timer@3004"},
        {{.kind = E2B_SCHED_READY, .now_ns = 4, .slot = 6, .arrival_ns = 4, .deadline_ns = 1000000},
            ""},
        {TOOK(1000, 0, 1000), "run1:0+1/1#0(COMPOSED)"},
    };
    PLAY_MODELS(models, 2, "patience_us=1", steps);
}

/* While there is room none is refused, and when it is gone one is; without a target all are let in.
 */
static void room_is_what_is_let_in(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    struct e2b_sched_actions actions = {0};
    model.slot_count = 64;
    model.target_ns = 10000;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "");
    int slot = 0, room = ops->room(policy, 0), first = room;
    assert_in_range(first, 8, 32);
    while (!has_reject(&actions)) {
        actions.count = 0;
        room = ops->room(policy, 0);
        ops->on_event(policy, &(struct e2b_sched_event)READY(0, slot++), &actions);
        assert_true(slot < 64 && (!has_reject(&actions) || room <= 1));
    }
    assert_in_range(slot, first / 2, 2 * first); /* some run at once, as smaller batches */
    ops->destroy(policy);
    model.target_ns = 0;
    policy = e2b_script_policy(ops, &model, 1, "");
    assert_int_equal(ops->room(policy, 0), INT_MAX);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* Behind a full batch there is time for one more, of which a few wait already: room is for all that
 * fit in. */
static void room_is_for_the_batch_that_forms(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    struct e2b_sched_actions actions = {0};
    model.slot_count = 64;
    model.target_ns = 4000;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "");
    for (int slot = 0; slot < 4; slot++)
        ops->on_event(policy,
            &(struct e2b_sched_event){
                .kind = E2B_SCHED_READY, .more = slot < 3, .slot = slot, .deadline_ns = INT64_MAX},
            &actions);
    for (int waiting = 0; waiting < 4; waiting++) {
        assert_int_equal(ops->room(policy, 0), 4 - waiting);
        ops->on_event(policy, &(struct e2b_sched_event)READY(0, 4 + waiting), &actions);
    }
    assert_int_equal(ops->room(policy, 0), 0);
    assert_false(has_reject(&actions));
    assert_int_equal(ops->waiting(policy, 0), 4);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* The answers of a batch took so long that none would be in time any more. */
static void the_way_of_answers_is_learnt(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.target_ns = 3000;
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
        {TOOK(1000, 0, 1000), ""},
        {READY(2000, 1), "run0:1+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 3000, .duration_ns = 1000, .answer_ns = 20000},
            ""},
        {READY(4000, 2), "drop0:2(OVERLOAD)"},
    };
    PLAY_MODELS(&model, 1, "", steps);
}

/* Batches that run side by side end together: room is for all of a round of them, or for none. */
static void room_is_for_whole_rounds_of_batches(void **state) {
    (void)state;
    for (int target_ns = 4000; target_ns <= 12000; target_ns += 500) {
        struct e2b_sched_model model = known_model(0.4);
        struct e2b_sched_actions actions = {0};
        model.slot_count = 64;
        model.target_ns = target_ns;
        struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "max_in_flight=1");
        ops->on_event(policy, &(struct e2b_sched_event)READY(0, 0), &actions);
        int room = ops->room(policy, 0), slot = 1;
        for (actions.count = 0; slot < 64; slot++) {
            ops->on_event(policy, &(struct e2b_sched_event)READY(0, slot), &actions);
            if (has_reject(&actions))
                break;
        }
        assert_int_equal(room, slot - 1);
        ops->destroy(policy);
        e2b_sched_actions_finish(&actions);
    }
}

/* Slots that lie apart are a batch each: of four the last one would end too late, which side by
 * side would be in time. */
static void what_lies_apart_is_foreseen_to_run_apart(void **state) {
    (void)state;
    for (int gap = 1; gap <= 10; gap += 9) {
        struct e2b_sched_model model = known_model(1);
        model.slot_count = 64;
        model.target_ns = 5000;
        const struct e2b_script_step steps[] = {
            {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
            {READY(1, 10), "timer@4002"},
            {READY(1, 10 + gap), ""},
            {READY(1, 10 + 2 * gap), ""},
            {READY(1, 10 + 3 * gap), gap == 1 ? "" : "drop0:40(OVERLOAD)"},
        };
        PLAY_MODELS(&model, 1, "", steps);
    }
}

/* In a flood two models each have room for what can still be served, and none once that waits. One
 * of which nothing waits or runs is never closed: nothing would open it again. */
static void a_model_that_is_idle_has_room(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1), known_model(1)};
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < 3; i++) {
        models[i].slot_count = 128;
        models[i].target_ns = i == 2 ? 1 : 4000; /* the last one's is never met */
    }
    struct e2b_policy *policy = e2b_script_policy(ops, models, 3, "");
    for (int i = 0; i < 200; i++)
        ops->on_event(policy, &(struct e2b_sched_event)READY_OF(i % 2, i, i / 2), &actions);
    assert_int_equal(ops->room(policy, 0), 0);
    assert_int_equal(ops->room(policy, 1), 0);
    assert_int_equal(ops->room(policy, 2), 1);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* 100 requests that were admitted at made_ns end late: how far promises are trusted then. */
static double trust_after(struct e2b_policy *policy, int64_t made_ns) {
    struct e2b_elastic_model *model = &policy->models[0];
    for (int i = 0; i < 100; i++) {
        model->promises[0] = (struct e2b_elastic_promise){
            .made_ns = made_ns, .must_end_ns = made_ns + 1, .share = 0.7};
        e2b_elastic_judge(policy, model, 0, false);
    }
    e2b_elastic_learn(policy, model);
    return model->trust[model->promises[0].way].limit;
}

/* Of a batch that took twice its time, and of what waited behind it. */
static void what_a_stall_breaks_lowers_no_trust(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "");
    const struct e2b_sched_event events[] = {READY(0, 0), TOOK(1100, 0, 1100), READY(2000, 1),
        READY(2100, 2), TOOK(4000, 0, 2000), TOOK(5000, 0, 1000)};
    for (int i = 0; i < 6; i++)
        ops->on_event(policy, &events[i], &actions);
    double first = policy->models[0].trust[0].limit;
    assert_int_equal(policy->stalled_ns, 4000);
    assert_true(trust_after(policy, 3999) == first);
    assert_true(trust_after(policy, 4000) < first);
    for (int64_t start_ns = 6000; start_ns <= 15000; start_ns += 3000) {
        const struct e2b_sched_event slow[] = {READY(start_ns, 0), TOOK(start_ns + 2000, 0, 2000)};
        for (int i = 0; i < 2; i++)
            ops->on_event(policy, &slow[i], &actions);
    }
    assert_int_equal(policy->stalled_ns, 14000); /* the fourth one tells that the device is slow */
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hopeless_slots_are_dropped_in_time),
        cmocka_unit_test(a_far_deadline_refuses_nobody),
        cmocka_unit_test(a_far_deadline_gives_way_to_a_near_one),
        cmocka_unit_test(room_is_what_is_let_in),
        cmocka_unit_test(room_is_for_the_batch_that_forms),
        cmocka_unit_test(the_way_of_answers_is_learnt),
        cmocka_unit_test(room_is_for_whole_rounds_of_batches),
        cmocka_unit_test(what_lies_apart_is_foreseen_to_run_apart),
        cmocka_unit_test(a_model_that_is_idle_has_room),
        cmocka_unit_test(what_a_stall_breaks_lowers_no_trust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
