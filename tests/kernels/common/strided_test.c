#include "kernels/common/strided.h"

#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

struct place {
    int64_t at[E2B_WALK_OPERANDS];
};

static int compare_places(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct place));
}

/* Where all elements lie, as a sorted set. */
static int64_t places_of(const struct e2b_walk *walk, struct place *out) {
    struct e2b_cursor cursor = {.walk = walk};
    int64_t count = e2b_walk_count(walk);
    assert_in_range(count, 0, MOST);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor)) {
        memset(&out[i], 0, sizeof out[i]);
        memcpy(out[i].at, cursor.position, sizeof out[i].at);
    }
    qsort(out, (size_t)count, sizeof *out, compare_places);
    return count;
}

static void operands_broadcast(void **state) {
    (void)state;
    struct e2b_walk walk;
    e2b_walk_init(&walk, &(struct e2b_shape){3, {2, 3, 4}});
    e2b_walk_add_dense(&walk, &(struct e2b_shape){3, {2, 3, 4}});
    e2b_walk_add_dense(&walk, &(struct e2b_shape){2, {3, 1}});
    e2b_walk_add_dense(&walk, &(struct e2b_shape){0, {0}});
    const int64_t want[3][3] = {{12, 4, 1}, {0, 1, 0}, {0, 0, 0}};
    for (int k = 0; k < 3; k++)
        assert_memory_equal(walk.stride[k], want[k], sizeof want[k]);
    assert_int_equal(e2b_walk_count(&walk), 24);
}

static void cursor_goes_in_row_major_order(void **state) {
    (void)state;
    struct e2b_walk walk;
    e2b_walk_init(&walk, &(struct e2b_shape){3, {2, 3, 4}});
    e2b_walk_add(
        &walk, &(struct e2b_shape){3, {2, 3, 4}}, (const int64_t[E2B_MAX_RANK]){100, 1, 10});
    e2b_walk_add_dense(&walk, &(struct e2b_shape){1, {4}});
    struct e2b_cursor cursor = {.walk = &walk};
    for (int i = 0; i < 24; i++, e2b_cursor_next(&cursor)) {
        assert_int_equal(cursor.position[0], i / 12 * 100 + i / 4 % 3 + i % 4 * 10);
        assert_int_equal(cursor.position[1], i % 4);
    }
}

/* Fewer dimensions, the same elements, the output's densest last. */
static void collapsing_changes_no_place(void **state) {
    (void)state;
    static struct place before[MOST], after[MOST];
    srand(3);
    for (int round = 0; round < 500; round++) {
        struct e2b_shape space = {1 + rand() % 5, {0}}, in;
        for (int i = 0; i < space.rank; i++)
            space.dims[i] = 1 + rand() % 5;
        in = space;
        for (int i = 0; i < in.rank; i++)
            if (rand() % 3 == 0)
                in.dims[i] = 1;
        struct e2b_tensor out = {
            .layout = rand() % 2 ? E2B_CHANNELS_LAST : E2B_ROW_MAJOR, .shape = space};
        e2b_tensor_set_dense(&out, 1);
        struct e2b_walk walk;
        e2b_walk_init(&walk, &space);
        e2b_walk_add(&walk, &space, out.stride);
        e2b_walk_add_dense(&walk, &in);
        int64_t count = places_of(&walk, before);
        struct e2b_walk small = walk;
        e2b_walk_collapse(&small);
        assert_in_range(small.rank, 1, walk.rank);
        assert_int_equal(places_of(&small, after), count);
        assert_memory_equal(before, after, (size_t)count * sizeof before[0]);
        for (int i = 0; i + 1 < small.rank; i++)
            assert_true(small.stride[0][i] >= small.stride[0][i + 1]);
    }
}

static void dense_operands_are_one_row(void **state) {
    (void)state;
    struct e2b_walk walk;
    e2b_walk_init(&walk, &(struct e2b_shape){4, {2, 3, 1, 4}});
    for (int k = 0; k < 3; k++)
        e2b_walk_add_dense(&walk, &(struct e2b_shape){4, {2, 3, 1, 4}});
    e2b_walk_collapse(&walk);
    assert_int_equal(walk.rank, 1);
    assert_int_equal(walk.dims[0], 24);
    for (int k = 0; k < 3; k++)
        assert_int_equal(walk.stride[k][0], 1);
}

static const struct e2b_traits gpu = {.compute_units = 4, .channel_align = 8, .max_group = 1024},
                               cpu = {.is_cpu = true, .compute_units = 2, .channel_align = 16};

static void pad_lanes_are_of_images_only(void **state) {
    (void)state;
    struct e2b_tensor tensor = {.layout = E2B_CHANNELS_LAST, .shape = {4, {1, 13, 2, 2}}};
    assert_int_equal(e2b_pad_lanes(&tensor, &gpu), 3);
    assert_int_equal(e2b_pad_lanes(&tensor, &(const struct e2b_traits){0}), 0);
    tensor.shape.dims[1] = 16;
    assert_int_equal(e2b_pad_lanes(&tensor, &gpu), 0);
    tensor.shape = (struct e2b_shape){2, {1, 13}};
    assert_int_equal(e2b_pad_lanes(&tensor, &gpu), 0);
    tensor = (struct e2b_tensor){.layout = E2B_ROW_MAJOR, .shape = {4, {1, 13, 2, 2}}};
    assert_int_equal(e2b_pad_lanes(&tensor, &gpu), 0);
}

/* The lanes follow the channels, which must then stay a dimension of their own. */
static void channels_with_pad_lanes_stay_last(void **state) {
    (void)state;
    struct e2b_tensor tensor = {.layout = E2B_CHANNELS_LAST, .shape = {4, {2, 13, 3, 3}}};
    e2b_tensor_set_dense(&tensor, 8);
    struct e2b_walk walk;
    e2b_walk_init(&walk, &tensor.shape);
    e2b_walk_add(&walk, &tensor.shape, tensor.stride);
    walk.lane_dim = 1;
    walk.pad_lanes = 3;
    e2b_walk_collapse(&walk);
    assert_int_equal(walk.rank, 2);
    assert_int_equal(walk.lane_dim, 1);
    assert_int_equal(walk.dims[0], 18);
    assert_int_equal(walk.stride[0][0], 16);
    assert_int_equal(walk.dims[1], 13);
    assert_int_equal(walk.stride[0][1], 1);
}

static void lines_have_groups_that_devices_take(void **state) {
    (void)state;
    struct e2b_traits small = gpu;
    small.max_group = 64;
    const struct e2b_traits *const traits[] = {&gpu, &cpu, &small};
    const size_t local[] = {256, 1, 64}, global[] = {1024, 1000, 1024};
    for (int i = 0; i < 3; i++) {
        struct e2b_launch launch = {0};
        e2b_launch_line(&launch, traits[i], 1000);
        assert_int_equal(launch.local[0], local[i]);
        assert_int_equal(launch.global[0], global[i]);
    }
}

struct setting {
    struct e2b_operand inputs[2], outputs[1];
    struct e2b_call call;
    struct e2b_launch_list list;
};

static void start(struct setting *setting, const struct e2b_shape *shape) {
    *setting = (struct setting){.call = {.input_count = 1, .output_count = 1, .traits = &gpu}};
    struct e2b_operand operand = {
        .present = true, .tensor = {.dtype = E2B_F32, .layout = E2B_ROW_MAJOR, .shape = *shape}};
    e2b_tensor_set_dense(&operand.tensor, 1);
    setting->inputs[0] = setting->inputs[1] = setting->outputs[0] = operand;
    setting->call.inputs = setting->inputs;
    setting->call.outputs = setting->outputs;
}

static const struct e2b_launch *emit(struct setting *setting, const char *function) {
    struct e2b_error err = {0};
    struct e2b_map map;
    e2b_map_init(&map, &setting->call, function, 0);
    for (int i = 0; i < setting->call.input_count; i++)
        e2b_map_input(&map, &setting->call, i);
    assert_ok(e2b_map_emit(&setting->call, &map, &setting->list, &err), err);
    return setting->list.launches;
}

static void maps_are_one_launch(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, &(struct e2b_shape){2, {3, 1000}});
    setting.call.input_count = 2;
    const struct e2b_launch *launch = emit(&setting, "ADD");
    assert_int_equal(setting.list.launch_count, 1);
    assert_string_equal(launch->kernel, "map");
    assert_non_null(strstr(launch->options, "-DMAP_ADD -DV=4 -DRANK=1 -DCT=float"));
    assert_non_null(strstr(launch->options, "-DTY=float -DIY=1 -DTA=float -DIA=1 -DTB=float"));
    assert_int_equal(launch->global[0], 768); /* 750 chunks of 4 */
    assert_true(launch->flops == 3000 && launch->bytes == 3 * 4 * 3000);
    e2b_launch_list_finish(&setting.list);
}

static void empty_spaces_launch_nothing(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, &(struct e2b_shape){2, {0, 1000}});
    emit(&setting, "FIRST");
    assert_int_equal(setting.list.launch_count, 0);
    e2b_launch_list_finish(&setting.list);
}

static void moves_across_dimensions_are_tiled(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, &(struct e2b_shape){2, {64, 64}});
    setting.inputs[0].tensor.stride[0] = 1;
    setting.inputs[0].tensor.stride[1] = 64;
    const struct e2b_launch *launch = emit(&setting, "FIRST");
    assert_int_equal(setting.list.launch_count, 1);
    assert_string_not_equal(launch->kernel, "map");
    e2b_launch_list_finish(&setting.list);
}

static void what_kernels_cannot_address_is_refused(void **state) {
    (void)state;
    struct setting setting;
    char reason[128] = "";
    start(&setting, &(struct e2b_shape){2, {2, 3}});
    assert_true(e2b_accepts_strided(&setting.call, reason, sizeof reason));
    setting.outputs[0].tensor.dtype = E2B_F64;
    assert_false(e2b_accepts_strided(&setting.call, reason, sizeof reason));
    assert_non_null(strstr(reason, "output 0 is FP64"));
    setting.outputs[0].tensor.dtype = E2B_F16;
    setting.inputs[0].tensor.stride[0] = INT64_C(1) << 31;
    assert_false(e2b_accepts_strided(&setting.call, reason, sizeof reason));
    assert_non_null(strstr(reason, "input 0 spans"));
    setting.inputs[0].present = false;
    assert_true(e2b_accepts_strided(&setting.call, reason, sizeof reason));
}

static void storage_types_have_names(void **state) {
    (void)state;
    assert_string_equal(e2b_dtype_cl(E2B_F32), "float");
    assert_string_equal(e2b_dtype_cl(E2B_F16), "half");
    assert_string_equal(e2b_dtype_cl(E2B_BOOL), "uchar");
    assert_string_equal(e2b_dtype_cl(E2B_I64), "long");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_broadcast),
        cmocka_unit_test(cursor_goes_in_row_major_order),
        cmocka_unit_test(collapsing_changes_no_place),
        cmocka_unit_test(dense_operands_are_one_row),
        cmocka_unit_test(pad_lanes_are_of_images_only),
        cmocka_unit_test(channels_with_pad_lanes_stay_last),
        cmocka_unit_test(lines_have_groups_that_devices_take),
        cmocka_unit_test(maps_are_one_launch),
        cmocka_unit_test(empty_spaces_launch_nothing),
        cmocka_unit_test(moves_across_dimensions_are_tiled),
        cmocka_unit_test(what_kernels_cannot_address_is_refused),
        cmocka_unit_test(storage_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
