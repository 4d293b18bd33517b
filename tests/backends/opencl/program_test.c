#include "backends/opencl/object.h"

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/e2b-program-XXXXXX";

static struct e2b_source source_of(const char *text) {
    return (struct e2b_source){"tests/some.cl", text, strlen(text)};
}

static struct e2b_device *open_with(const char *cache, bool no_cache) {
    const struct e2b_opencl_options options = {
        .select = getenv("E2B_TEST_DEVICE"), .cache_folder = cache, .no_cache = no_cache};
    struct e2b_error err = {0};
    struct e2b_device *device;
    assert_ok(e2b_opencl_open(&options, &device, &err), err);
    return device;
}

static int make_folder(void **state) {
    (void)state;
    e2b_log_set_level(E2B_LOG_ERROR);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* The kernel's result for one float. */
static float compute(struct e2b_device *device, const struct e2b_source *source,
    const char *options, const char *name, float x) {
    const struct e2b_device_ops *ops = device->ops;
    const size_t one[3] = {1, 1, 1};
    struct e2b_program *program;
    struct e2b_kernel *kernel;
    struct e2b_buffer *buffer;
    struct e2b_queue *queue;
    struct e2b_error err = {0};
    assert_ok(ops->program_build(device, source, options, &program, &err), err);
    assert_ok(ops->kernel_create(device, program, name, &kernel, &err), err);
    assert_ok(ops->queue_create(device, &queue, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, sizeof x, &buffer, &err), err);
    assert_ok(ops->kernel_set_buffer(device, kernel, 0, buffer, &err), err);
    assert_ok(ops->enqueue_write(queue, buffer, 0, &x, sizeof x, NULL, &err), err);
    assert_ok(ops->enqueue_kernel(queue, kernel, one, one, NULL, &err), err);
    assert_ok(ops->enqueue_read(queue, buffer, 0, &x, sizeof x, NULL, &err), err);
    assert_ok(ops->finish(queue, &err), err);
    ops->queue_destroy(device, queue);
    ops->buffer_destroy(device, buffer);
    ops->kernel_destroy(device, kernel);
    ops->program_destroy(device, program);
    return x;
}

static void the_prelude_and_the_options_are_there(void **state) {
    struct e2b_source source = source_of(
        "__kernel void f(__global T *x) { STORE(x, 0, activate(LOAD(x, 0), 0.0f, 0.0f) * BY); }");
    struct e2b_device *device = open_with(folder, false);
    (void)state;
    assert_true(compute(device, &source, "-DBY=3 -DACTIVATION=1", "f", 5.0f) == 15.0f);
    assert_true(compute(device, &source, "-DBY=3 -DACTIVATION=1", "f", -5.0f) == 0.0f);
    assert_true(compute(device, &source, "-DBY=4 -DACTIVATION=19", "f", 5.0f) == -20.0f);
    device->ops->destroy(device);
}

static int count_files(char *last, size_t capacity) {
    char path[128];
    int count = 0;
    snprintf(path, sizeof path, "%s/programs", folder);
    DIR *listing = opendir(path);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));)
        if (entry->d_name[0] != '.') {
            count++;
            snprintf(last, capacity, "%s/%s", path, entry->d_name);
        }
    closedir(listing);
    return count;
}

static void binaries_are_kept_by_source_and_options(void **state) {
    struct e2b_source one = source_of("__kernel void g(__global float *x) { x[0] += BY; }");
    struct e2b_source two = source_of("__kernel void g(__global float *x) { x[0] -= BY; }");
    char path[512];
    (void)state;
    int before = count_files(path, sizeof path);
    for (int round = 0; round < 2; round++) {
        struct e2b_device *device = open_with(folder, false);
        assert_true(compute(device, &one, "-DBY=1", "g", 5.0f) == 6.0f);
        assert_true(compute(device, &one, "-DBY=2", "g", 5.0f) == 7.0f);
        assert_true(compute(device, &two, "-DBY=2", "g", 5.0f) == 3.0f);
        device->ops->destroy(device);
        assert_int_equal(count_files(path, sizeof path), before + 3);
    }
}

/* Replace the content of a cache file by nonsense, with a header that fits it. */
static void spoil(const char *path) {
    static const char nonsense[] = "no program at all";
    uint64_t header[4];
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(header, sizeof header, 1, file), 1);
    header[2] = sizeof nonsense;
    header[3] = e2b_hash(E2B_HASH_START, nonsense, sizeof nonsense);
    rewind(file);
    assert_int_equal(fwrite(header, sizeof header, 1, file), 1);
    assert_int_equal(fwrite(nonsense, sizeof nonsense, 1, file), 1);
    assert_int_equal(ftruncate(fileno(file), sizeof header + sizeof nonsense), 0);
    fclose(file);
}

static void binaries_that_the_driver_refuses_are_compiled_again(void **state) {
    struct e2b_source source = source_of("__kernel void h(__global float *x) { x[0] *= 8.0f; }");
    char path[512], command[128];
    (void)state;
    struct e2b_device *device = open_with(folder, false);
    snprintf(command, sizeof command, "rm %s/programs/*", folder);
    assert_int_equal(system(command), 0);
    assert_true(compute(device, &source, "", "h", 2.0f) == 16.0f);
    assert_false(e2b_opencl_of(device)->cache.warned);
    device->ops->destroy(device);
    assert_int_equal(count_files(path, sizeof path), 1);
    spoil(path);
    device = open_with(folder, false);
    assert_true(compute(device, &source, "", "h", 2.0f) == 16.0f);
    assert_true(e2b_opencl_of(device)->cache.warned);
    device->ops->destroy(device);
    device = open_with(folder, false);
    assert_true(compute(device, &source, "", "h", 2.0f) == 16.0f);
    assert_false(e2b_opencl_of(device)->cache.warned);
    device->ops->destroy(device);
}

static void no_cache_leaves_no_files(void **state) {
    struct e2b_source source = source_of("__kernel void k(__global float *x) { x[0] *= 9.0f; }");
    char path[512];
    (void)state;
    int before = count_files(path, sizeof path);
    struct e2b_device *device = open_with(folder, true);
    assert_true(compute(device, &source, "", "k", 2.0f) == 18.0f);
    assert_int_equal(count_files(path, sizeof path), before);
    device->ops->destroy(device);
}

static void folders_that_cannot_be_written_do_not_matter(void **state) {
    struct e2b_source source = source_of("__kernel void k(__global float *x) { x[0] *= 9.0f; }");
    (void)state;
    struct e2b_device *device = open_with("/proc/e2bird-no-such", false);
    assert_true(compute(device, &source, "", "k", 2.0f) == 18.0f);
    device->ops->destroy(device);
}

static void wrong_arguments_are_told(void **state) {
    struct e2b_source source = source_of("__kernel void k(__global float *x, int n) { x[0] = n; }");
    struct e2b_device *device = open_with(folder, false);
    struct e2b_program *program;
    struct e2b_kernel *kernel;
    struct e2b_error err = {0};
    int64_t value = 1;
    (void)state;
    assert_ok(device->ops->program_build(device, &source, "", &program, &err), err);
    assert_ok(device->ops->kernel_create(device, program, "k", &kernel, &err), err);
    assert_fails(device->ops->kernel_set_value(device, kernel, 1, &value, 8, &err), E2B_INVALID,
        "argument 1 of kernel k, 8 bytes", err);
    assert_fails(device->ops->kernel_set_value(device, kernel, 9, &value, 4, &err), E2B_INVALID,
        "argument 9 of kernel k", err);
    device->ops->kernel_destroy(device, kernel);
    device->ops->program_destroy(device, program);
    device->ops->destroy(device);
}

static void compile_errors_are_one_line(void **state) {
    struct e2b_source source =
        source_of("__kernel void f(__global T *x) {\n    int a;\n    x[0] = @;\n}\n");
    struct e2b_device *device = open_with(folder, false);
    struct e2b_program *program;
    struct e2b_error err = {0};
    (void)state;
    enum e2b_status status = device->ops->program_build(device, &source, "-DX=1", &program, &err);
    assert_null(strchr(err.text, '\n'));
    assert_non_null(strstr(err.text, "-DX=1"));
    assert_fails(status, E2B_INTERNAL, "tests/some.cl:3", err);
    assert_null(program);
    device->ops->destroy(device);
}

struct job {
    pthread_t thread;
    struct e2b_device *device;
    int index;
    float result;
};

static void *work(void *context) {
    struct job *job = context;
    struct e2b_source source =
        source_of("__kernel void p(__global float *x) { x[0] = x[0] * 2.0f + BY; }");
    char options[32];
    snprintf(options, sizeof options, "-DBY=%d", job->index % 3);
    job->result = compute(job->device, &source, options, "p", 10.0f);
    return NULL;
}

static void many_threads_build_and_run(void **state) {
    struct job jobs[6] = {0};
    struct e2b_device *device = open_with(folder, false);
    (void)state;
    for (int i = 0; i < 6; i++) {
        jobs[i].device = device;
        jobs[i].index = i;
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(jobs[i].thread, NULL);
    for (int i = 0; i < 6; i++)
        assert_true(jobs[i].result == 20.0f + (float)(i % 3));
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prelude_and_the_options_are_there),
        cmocka_unit_test(binaries_are_kept_by_source_and_options),
        cmocka_unit_test(binaries_that_the_driver_refuses_are_compiled_again),
        cmocka_unit_test(no_cache_leaves_no_files),
        cmocka_unit_test(folders_that_cannot_be_written_do_not_matter),
        cmocka_unit_test(wrong_arguments_are_told),
        cmocka_unit_test(compile_errors_are_one_line),
        cmocka_unit_test(many_threads_build_and_run),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
