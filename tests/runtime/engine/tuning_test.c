#include "backends/sim/sim.h"
#include "runtime/base/file.h"
#include "runtime/engine/shipped_tuning.h"
#include "runtime/engine/tuning.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct e2b_tuned sample = {"tile", 3, 1000, 1500, UINT64_C(0xabc)};

struct folder {
    char path[64], file[96];
};

static int set_up(void **state) {
    struct folder *folder = calloc(1, sizeof *folder);
    snprintf(folder->path, sizeof folder->path, "/tmp/e2b-tuning-XXXXXX");
    if (!folder || !mkdtemp(folder->path))
        return -1;
    snprintf(folder->file, sizeof folder->file, "%s/made/x.tune", folder->path);
    *state = folder;
    return 0;
}

static int tear_down(void **state) {
    struct folder *folder = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder->path);
    free(folder);
    return system(command);
}

static struct e2b_tuning *make(const char *device) {
    struct e2b_error err = {0};
    struct e2b_tuning *tuning;
    assert_ok(e2b_tuning_create(device, &tuning, &err), err);
    return tuning;
}

static void put(struct e2b_tuning *tuning, const char *key, int candidate) {
    struct e2b_error err = {0};
    struct e2b_tuned tuned = sample;
    tuned.candidate = candidate;
    assert_ok(e2b_tuning_put(tuning, key, &tuned, &err), err);
}

static void what_is_put_is_found(void **state) {
    (void)state;
    struct e2b_tuning *tuning = make("d");
    assert_null(e2b_tuning_find(tuning, "a"));
    assert_null(e2b_tuning_find(NULL, "a"));
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        put(tuning, key, i);
    }
    put(tuning, "key 7", 1007);
    assert_int_equal(e2b_tuning_count(tuning), 200);
    assert_int_equal(e2b_tuning_find(tuning, "key 7")->candidate, 1007);
    assert_int_equal(e2b_tuning_find(tuning, "key 199")->candidate, 199);
    assert_null(e2b_tuning_find(tuning, "key 200"));
    e2b_tuning_destroy(tuning);
}

static void a_file_keeps_entries_and_those_of_others(void **state) {
    const struct folder *folder = *state;
    struct e2b_error err = {0};
    struct e2b_tuning *one = make("d"), *two = make("d"), *again = make("d");
    put(one, "conv#1 FP32:1x2/2,1 -> FP32:2/1", 5);
    assert_ok(e2b_tuning_save(one, folder->file, &err), err);
    put(two, "gemm#2 x", 6);
    put(two, "conv#1 FP32:1x2/2,1 -> FP32:2/1", 9);
    assert_ok(e2b_tuning_save(two, folder->file, &err), err);
    put(one, "third", 7);
    assert_ok(e2b_tuning_save(one, folder->file, &err), err);
    e2b_tuning_load(again, folder->file);
    assert_int_equal(e2b_tuning_count(again), 3);
    const struct e2b_tuned *got = e2b_tuning_find(again, "gemm#2 x");
    assert_string_equal(got->variant, "tile");
    assert_int_equal(got->candidate, 6);
    assert_int_equal(got->best_ns, sample.best_ns);
    assert_int_equal(got->default_ns, sample.default_ns);
    assert_int_equal(got->fingerprint, sample.fingerprint);
    e2b_tuning_destroy(one);
    e2b_tuning_destroy(two);
    e2b_tuning_destroy(again);
}

static void damaged_lines_and_foreign_files_are_left_out(void **state) {
    const struct folder *folder = *state;
    static const char text[] = "e2bird tuning 1\ndevice d\n"
                               "tile 1 10 20 00000000000000ab good one\n"
                               "tile x 10 20 00000000000000ab bad number\n"
                               "tile 1 10 20 ab\n"
                               "\n"
                               "tile -1 10 20 ab negative\n"
                               "tile 1 0 20 ab no time\n"
                               "averyveryveryverylongnamethatdoesnotfit 1 10 20 ab k\n"
                               "tile 2 10 20 cd the last one has no new";
    struct e2b_error err = {0};
    struct e2b_tuning *tuning = make("d"), *other = make("e");
    char path[128];
    snprintf(path, sizeof path, "%s/y.tune", folder->path);
    assert_ok(e2b_file_replace(path, text, sizeof text - 1, &err), err);
    e2b_tuning_load(tuning, path);
    assert_int_equal(e2b_tuning_count(tuning), 2);
    assert_int_equal(e2b_tuning_find(tuning, "good one")->candidate, 1);
    assert_int_equal(e2b_tuning_find(tuning, "the last one has no new")->candidate, 2);
    e2b_tuning_load(other, path);
    assert_int_equal(e2b_tuning_count(other), 0);
    assert_ok(e2b_file_replace(path, "e2bird tuning 0\ndevice e\n", 25, &err), err);
    e2b_tuning_load(other, path);
    assert_ok(e2b_file_replace(path, "", 0, &err), err);
    e2b_tuning_load(other, path);
    e2b_tuning_load(other, folder->path); /* a folder */
    e2b_tuning_load(other, "/nowhere/at/all");
    assert_int_equal(e2b_tuning_count(other), 0);
    e2b_tuning_destroy(tuning);
    e2b_tuning_destroy(other);
}

static void shipped_entries_yield_to_own_ones_and_are_not_saved(void **state) {
    const struct folder *folder = *state;
    static const char text[] = "e2bird tuning 1\ndevice d\n"
                               "tile 1 10 20 ab a\n"
                               "tile 1 10 20 ab b\n";
    struct e2b_error err = {0};
    struct e2b_tuning *tuning = make("d"), *again = make("d");
    put(tuning, "a", 8);
    e2b_tuning_load_shipped(tuning, text, sizeof text - 1, "test");
    assert_int_equal(e2b_tuning_find(tuning, "a")->candidate, 8);
    assert_int_equal(e2b_tuning_find(tuning, "b")->candidate, 1);
    assert_ok(e2b_tuning_save(tuning, folder->file, &err), err);
    e2b_tuning_load(again, folder->file);
    assert_int_equal(e2b_tuning_count(again), 1);
    e2b_tuning_destroy(tuning);
    e2b_tuning_destroy(again);
}

static void a_device_has_its_file_in_the_cache_folder(void **state) {
    const struct folder *folder = *state;
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_tuning *tuning, *other;
    assert_ok(e2b_sim_create(&(struct e2b_sim_options){0}, &device, &err), err);
    assert_ok(e2b_tuning_open(device, folder->path, &tuning, &err), err);
    assert_memory_equal(e2b_tuning_path(tuning), folder->path, strlen(folder->path));
    put(tuning, "a", 4);
    assert_ok(e2b_tuning_save(tuning, e2b_tuning_path(tuning), &err), err);
    strcat(device->identity, ", another driver");
    assert_ok(e2b_tuning_open(device, folder->path, &other, &err), err);
    assert_null(e2b_tuning_find(other, "a"));
    assert_string_not_equal(e2b_tuning_path(tuning), e2b_tuning_path(other));
    e2b_tuning_destroy(other);
    *strrchr(device->identity, ',') = '\0';
    assert_ok(e2b_tuning_open(device, folder->path, &other, &err), err);
    assert_int_equal(e2b_tuning_find(other, "a")->candidate, 4);
    e2b_tuning_destroy(other);
    e2b_tuning_destroy(tuning);
    device->ops->destroy(device);
}

static void a_folder_that_cannot_be_written_is_told(void **state) {
    const struct folder *folder = *state;
    struct e2b_error err = {0};
    struct e2b_tuning *tuning = make("d");
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder->path);
    assert_ok(e2b_file_replace(path, "x", 1, &err), err);
    snprintf(path, sizeof path, "%s/file/x.tune", folder->path);
    put(tuning, "a", 1);
    assert_fails(e2b_tuning_save(tuning, path, &err), E2B_IO, "file", err);
    assert_int_equal(e2b_tuning_count(tuning), 1);
    e2b_tuning_destroy(tuning);
}

/* Each file in configs/tuning reads without a warning, by the device that it names. */
static void shipped_files_are_whole(void **state) {
    (void)state;
    for (const struct e2b_source *const *file = e2b_shipped_tuning; *file; file++) {
        char device[128] = "";
        int lines = 0;
        assert_int_equal(sscanf((*file)->text, "e2bird tuning 1\ndevice %127[^\n]", device), 1);
        for (const char *at = (*file)->text; (at = strchr(at, '\n')); at++)
            lines++;
        struct e2b_tuning *tuning = make(device);
        e2b_tuning_load_shipped(tuning, (*file)->text, (*file)->bytes, (*file)->path);
        assert_int_equal(e2b_tuning_count(tuning), lines - 2);
        e2b_tuning_destroy(tuning);
    }
}

static const struct e2b_op op = {.name = "fake", .params_bytes = sizeof(int)};

static void a_key_tells_calls_apart_but_not_values_of_constants(void **state) {
    (void)state;
    const float numbers[2] = {1, 2}, others[2] = {3, 4};
    struct e2b_constant a = {.id = 1, .dtype = E2B_F32, .shape = {1, {2}}, .data = numbers};
    struct e2b_constant b = {.id = 2, .dtype = E2B_F32, .shape = {1, {2}}, .data = others};
    struct e2b_operand operands[4] = {{.present = true}, {.present = true}, {0}, {.present = true}};
    for (int i = 0; i < 4; i++)
        operands[i].tensor = (struct e2b_tensor){
            .dtype = E2B_F16, .shape = {3, {1, 4, 5}}, .stride = {20 + i, 5, 1}};
    int params = 7;
    struct e2b_call call = {.op = &op,
        .params = &params,
        .input_count = 3,
        .output_count = 1,
        .inputs = operands,
        .outputs = operands + 3};
    struct e2b_text first = {0}, next = {0};
    operands[1].constant = &a;
    e2b_tuning_key(&call, &first);
    assert_non_null(strstr(first.data, "fake#"));
    assert_non_null(strstr(first.data, " FP16:1x4x5/_,5,1 FP16:1x4x5= - -> FP16:1x4x5/_,5,1"));
    operands[1].constant = &b;
    operands[0].tensor.stride[0] = 1000; /* of a dimension of one element */
    e2b_tuning_key(&call, &next);
    assert_string_equal(first.data, next.data);
    for (int change = 0; change < 4; change++) {
        next.len = 0;
        params = change == 0 ? 8 : 7;
        operands[0].tensor.stride[1] = change == 1 ? 6 : 5;
        operands[1].constant = change == 2 ? NULL : &a;
        operands[3].tensor.dtype = change == 3 ? E2B_F32 : E2B_F16;
        e2b_tuning_key(&call, &next);
        assert_string_not_equal(first.data, next.data);
    }
    e2b_text_finish(&first);
    e2b_text_finish(&next);
}

static void a_fingerprint_sees_options_and_sizes(void **state) {
    (void)state;
    static const struct e2b_source source = {"k.cl", "", 0};
    struct e2b_launch_list list = {0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "k", "-DA=1");
    e2b_launch_grid(launch, 64, 1, 1);
    uint64_t first = e2b_tuning_fingerprint(&list);
    e2b_launch_int(launch, 5);
    assert_true(e2b_tuning_fingerprint(&list) == first);
    e2b_launch_grid(launch, 128, 1, 1);
    uint64_t second = e2b_tuning_fingerprint(&list);
    assert_true(second != first);
    snprintf(launch->options, sizeof launch->options, "-DA=2");
    assert_true(e2b_tuning_fingerprint(&list) != second);
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test_setup_teardown(
            a_file_keeps_entries_and_those_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            damaged_lines_and_foreign_files_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            shipped_entries_yield_to_own_ones_and_are_not_saved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_device_has_its_file_in_the_cache_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_is_told, set_up, tear_down),
        cmocka_unit_test(shipped_files_are_whole),
        cmocka_unit_test(a_key_tells_calls_apart_but_not_values_of_constants),
        cmocka_unit_test(a_fingerprint_sees_options_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
