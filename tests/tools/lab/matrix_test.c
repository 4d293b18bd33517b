#include "tools/lab/matrix.h"

#include "runtime/base/file.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"
#include "tests/tools/lab/bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"runs.csv", "quantiles.csv", "models.csv", "peaks.csv",
    "bounds.csv", "lab.json", "trace_0.json", "model.onnx"};

static char *make_folder(void) {
    static char folder[64];
    strcpy(folder, "/tmp/e2b-lab-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void remove_folder(const char *folder) {
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    for (int i = 1; i < 64; i++) {
        snprintf(path, sizeof path, "%s/trace_%d.json", folder, i);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static char *read_file(const char *folder, const char *name) {
    char path[128];
    struct e2b_file file;
    struct e2b_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(e2b_file_map(path, &file, &err), err);
    char *text = strndup((const char *)file.data, file.bytes);
    assert_non_null(text);
    e2b_file_unmap(&file);
    return text;
}

static int lines_of(const char *text, const char *containing) {
    int count = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        count += strstr(copy, containing) != NULL;
        free(copy);
    }
    return count;
}

static struct e2b_lab_matrix *make_matrix(const char *folder) {
    struct e2b_lab_matrix *matrix = calloc(1, sizeof *matrix);
    struct e2b_error err = {0};
    assert_non_null(matrix);
    matrix->folder = folder;
    matrix->command = "a \"test\"";
    matrix->setup.rig.instances = 1;
    matrix->setup.rig.slots = 64;
    matrix->setup.rig.percentile = 0.99;
    matrix->setup.rig.precision = E2B_F32;
    matrix->setup.target_factor = 4;
    matrix->repeats = 2;
    matrix->seed = 3;
    matrix->loads[matrix->load_count++] = 40;
    matrix->loads[matrix->load_count++] = 70;
    assert_ok(e2b_lab_contender_parse("elastic", &matrix->contenders[0], &err), err);
    assert_ok(e2b_lab_contender_parse("greedy_idle", &matrix->contenders[1], &err), err);
    matrix->contender_count = 2;
    assert_ok(
        e2b_lab_arrivals_init(&matrix->arrivals[matrix->arrivals_count++], "poisson", &err), err);
    bench_quiet();
    return matrix;
}

static char *play(bool peak) {
    char *folder = make_folder();
    struct e2b_lab_matrix *matrix = make_matrix(folder);
    struct e2b_error err = {0};
    matrix->setup.rig.table = bench_table();
    matrix->setup.seconds = 0.5;
    matrix->again = matrix->trace = true;
    matrix->tune_runs = peak ? 3 : 0;
    matrix->tune_table = peak ? bench_table() : NULL;
    matrix->peak = peak;
    matrix->bound = true;
    assert_ok(e2b_lab_group_parse("a", &matrix->groups[0], &err), err);
    assert_ok(e2b_lab_group_parse("a+b", &matrix->groups[1], &err), err);
    matrix->group_count = 2;
    assert_ok(
        e2b_lab_arrivals_init(&matrix->arrivals[matrix->arrivals_count++], "closed:8", &err), err);
    assert_ok(e2b_lab_matrix_run(matrix, &err), err);
    free(matrix);
    return folder;
}

/* 2 groups x (2 loads + closed) x (2 policies + 1 again) x 2 repeats. */
static void simulated_comparisons_repeat_exactly(void **state) {
    (void)state;
    char *folder = play(false);
    char *first = read_file(folder, "runs.csv"), *quantiles = read_file(folder, "quantiles.csv");
    char *models = read_file(folder, "models.csv"), *bounds = read_file(folder, "bounds.csv");
    remove_folder(folder);
    folder = play(false);
    char *second = read_file(folder, "runs.csv");
    remove_folder(folder);
    assert_string_equal(first, second);
    assert_int_equal(lines_of(first, "\"elastic\""), 2 * 3 * 2 * 2);
    assert_int_equal(lines_of(first, "\"again\""), 2 * 3 * 2);
    assert_int_equal(lines_of(first, "\"a+b\""), 3 * 3 * 2);
    assert_int_equal(lines_of(quantiles, ""), 1 + 2 * 3 * 3 * 2 * 103);
    assert_int_equal(lines_of(models, ",\"b\","), 3 * 3 * 2);
    assert_int_equal(lines_of(bounds, "\"a\""), 2 * 2); /* of one model, in an open loop */
    assert_int_equal(lines_of(bounds, ""), 1 + 2 * 2);
    free(models);
    free(bounds);
    free(first);
    free(second);
    free(quantiles);
}

static void peaks_and_tuned_options_are_written(void **state) {
    (void)state;
    char *folder = play(true);
    char *peaks = read_file(folder, "peaks.csv"), *runs = read_file(folder, "runs.csv");
    char *record = read_file(folder, "lab.json");
    remove_folder(folder);
    assert_int_equal(lines_of(peaks, ""), 1 + 2 * (2 + 2 + 1) * 2); /* a closed loop has none */
    assert_int_equal(lines_of(runs, "\"tuned\""), 2 * 3 * 2 * 2);
    assert_non_null(strstr(record, "\"a \\\"test\\\"\""));
    assert_non_null(strstr(record, "\"simulated\": true"));
    free(peaks);
    free(runs);
    free(record);
}

static void write_model(const char *folder, char *path, size_t capacity) {
    struct e2b_builder *builder = e2b_builder_create(17);
    struct e2b_error err = {0};
    size_t count;
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 64));
    e2b_builder_floats(builder, "w", E2B_SHAPE(64, 16), NULL);
    e2b_builder_node(builder, "MatMul", "x,w", "a");
    e2b_builder_node(builder, "Sigmoid", "a", "y");
    e2b_builder_output(builder, "y");
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    snprintf(path, capacity, "%s/model.onnx", folder);
    assert_ok(e2b_file_replace(path, bytes, count, &err), err);
    free(bytes);
    e2b_builder_destroy(builder);
}

/* The whole on a real device, if there is one: answers are checked by the matrix itself. */
static void a_real_device_answers_rightly(void **state) {
    (void)state;
    char *folder = make_folder(), path[128];
    struct e2b_lab_matrix *matrix = make_matrix(folder);
    struct e2b_error err = {0};
    write_model(folder, path, sizeof path);
    matrix->setup.rig.device = "auto";
    matrix->setup.rig.size_count = 3;
    memcpy(matrix->setup.rig.sizes, (int[]){1, 2, 4}, 3 * sizeof(int));
    matrix->setup.seconds = 0.2;
    matrix->setup.target_ms = 1000;
    matrix->loads[0] = 2; /* whatever else this machine does */
    matrix->load_count = matrix->repeats = 1;
    matrix->trace = true;
    assert_ok(e2b_lab_group_parse(path, &matrix->groups[matrix->group_count++], &err), err);
    e2b_lab_matrix_run(matrix, &err);
    free(matrix);
    if (err.status == E2B_NOT_FOUND) {
        remove_folder(folder);
        e2b_skip("%s", err.text);
    }
    assert_ok(err.status, err);
    char *runs = read_file(folder, "runs.csv"), *trace = read_file(folder, "trace_0.json");
    assert_int_equal(lines_of(runs, "\"model\""), 2);
    assert_non_null(strstr(trace, "\"cat\":\"batch\""));
    free(runs);
    free(trace);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulated_comparisons_repeat_exactly),
        cmocka_unit_test(peaks_and_tuned_options_are_written),
        cmocka_unit_test(a_real_device_answers_rightly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
