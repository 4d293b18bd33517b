#include "backends/opencl/saver.h"

#include "backends/opencl/object.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/e2b-saver-XXXXXX";

static int make_folder(void **state) {
    return mkdtemp(folder) ? e2b_test_begin(state) : -1;
}

static int remove_folder(void **state) {
    char command[64];
    e2b_test_end(state);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static cl_program build(struct e2b_device *device) {
    const char *text = "__kernel void f(__global float *x) { x[0] = 1; }";
    struct e2b_opencl *opencl = e2b_opencl_of(device);
    cl_program program = clCreateProgramWithSource(opencl->context, 1, &text, NULL, NULL);
    assert_non_null(program);
    assert_int_equal(clBuildProgram(program, 1, &opencl->id, "", NULL, NULL), CL_SUCCESS);
    return program;
}

static struct e2b_cl_key key_of(const char *text) {
    struct e2b_cl_key key;
    e2b_cl_key_start(&key);
    e2b_cl_key_add(&key, text, strlen(text));
    return key;
}

static bool is_there(struct e2b_cl_cache *cache, const char *text) {
    struct e2b_cl_key key = key_of(text);
    size_t bytes;
    void *data = e2b_cl_cache_load(cache, &key, &bytes);
    free(data);
    return data != NULL;
}

static void add(struct e2b_cl_saver *saver, struct e2b_device *device, const char *text) {
    struct e2b_cl_key key = key_of(text);
    cl_program program = build(device);
    e2b_cl_saver_add(saver, &key, program);
    clReleaseProgram(program);
}

/* Not before it is asked for, and the rest at the end. */
static void what_was_added_is_saved_in_the_end(void **state) {
    struct e2b_cl_cache cache;
    struct e2b_cl_saver saver;
    e2b_cl_cache_init(&cache, folder, false);
    e2b_cl_saver_init(&saver, &cache);
    add(&saver, *state, "one");
    assert_false(is_there(&cache, "one"));
    e2b_cl_saver_save(&saver);
    assert_true(is_there(&cache, "one"));
    add(&saver, *state, "two");
    add(&saver, *state, "three");
    assert_false(is_there(&cache, "two"));
    e2b_cl_saver_finish(&saver);
    assert_true(is_there(&cache, "two"));
    assert_true(is_there(&cache, "three"));
}

static void without_a_folder_nothing_is_kept(void **state) {
    struct e2b_cl_cache cache;
    struct e2b_cl_saver saver;
    e2b_cl_cache_init(&cache, folder, true);
    e2b_cl_saver_init(&saver, &cache);
    add(&saver, *state, "four");
    assert_null(saver.pending);
    e2b_cl_saver_finish(&saver);
    e2b_cl_cache_init(&cache, folder, false);
    assert_false(is_there(&cache, "four"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_saved_in_the_end),
        cmocka_unit_test(without_a_folder_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
