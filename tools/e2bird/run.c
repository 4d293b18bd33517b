#include "tools/e2bird/command.h"

#include "runtime/base/file.h"
#include "runtime/server/image.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/npy.h"
#include "tools/e2bird/session.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run_args {
    const char *model, *device, *precision, *output_dir, *image, *mean, *std, *merge;
    struct arg_list inputs; /* NAME=FILE */
    int resize_px;
};

struct run {
    struct run_args args;
    struct session session;
    struct execution execution;
    struct e2b_image_input image;    /* input -1: none */
    struct npy arrays[ARG_LIST_MAX]; /* one an input of the model; data NULL: not given */
    unsigned char *pixels;
};

static int find_input(const struct e2b_model *model, const char *name, size_t length) {
    for (int i = 0; i < e2b_model_input_count(model); i++) {
        const char *known = e2b_model_input(model, i)->name;
        if (strlen(known) == length && !strncmp(known, name, length))
            return i;
    }
    return -1;
}

static enum e2b_status read_inputs(struct run *run, struct e2b_error *err) {
    const struct e2b_model *model = run->session.model;
    for (int i = 0; i < run->args.inputs.count; i++) {
        const char *text = run->args.inputs.items[i];
        size_t length = strcspn(text, "=");
        if (!text[length])
            return e2b_fail(err, E2B_INVALID, "--input %s: expected NAME=FILE.npy", text);
        int index = find_input(model, text, length);
        if (index < 0 || index >= ARG_LIST_MAX)
            return e2b_fail(err, E2B_INVALID,
                "--input %s: the model has no input of that name; its first is \"%s\"", text,
                e2b_model_input(model, 0)->name);
        if (run->arrays[index].data)
            return e2b_fail(err, E2B_INVALID, "--input %s: given twice", text);
        if (npy_read(text + length + 1, &run->arrays[index], err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status read_three(
    const char *option, const char *text, float *out, struct e2b_error *err) {
    int used = 0;
    int found = sscanf(text, "%f,%f,%f%n", &out[0], &out[1], &out[2], &used);
    if (found == 1)
        out[1] = out[2] = out[0];
    else if (found != 3 || text[used])
        return e2b_fail(
            err, E2B_INVALID, "%s %s: expected one number or three, as 127,127,127", option, text);
    return E2B_OK;
}

static enum e2b_status decode_image(struct run *run, struct e2b_error *err) {
    const struct e2b_io *io = e2b_model_input(run->session.model, 0);
    if (io->shape.rank != 4 || io->shape.dims[1] != 3)
        return e2b_fail(err, E2B_INVALID,
            "--image: input \"%s\" takes no picture, it is not N x 3 x height x width", io->name);
    const struct e2b_image_rule rule = {
        (int)io->shape.dims[3], (int)io->shape.dims[2], run->args.resize_px};
    struct e2b_file file = {0};
    struct e2b_image image = {0};
    run->pixels = malloc((size_t)rule.width * (size_t)rule.height * 3);
    if (!run->pixels)
        return e2b_fail_memory(err, "a picture");
    if (e2b_file_map(run->args.image, &file, err) == E2B_OK
        && e2b_image_decode(file.data, file.bytes, &rule, &image, err) == E2B_OK)
        e2b_image_fit(&image, &rule, run->pixels, err);
    e2b_image_finish(&image);
    e2b_file_unmap(&file);
    return err->status == E2B_OK ? E2B_OK : e2b_error_while(err, "reading %s", run->args.image);
}

static enum e2b_status prepare_image(struct run *run, struct e2b_error *err) {
    float std[3];
    run->image.input = -1;
    if (!run->args.image)
        return E2B_OK;
    if (run->arrays[0].data)
        return e2b_fail(err, E2B_INVALID, "--image and --input name the same input");
    run->image.input = 0;
    if (read_three("--mean", run->args.mean, run->image.mean, err) != E2B_OK
        || read_three("--std", run->args.std, std, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < 3; i++)
        run->image.scale[i] = 1 / std[i];
    return decode_image(run, err);
}

static int wanted_batch(const struct run *run) {
    for (int i = 0; i < e2b_model_input_count(run->session.model) && i < ARG_LIST_MAX; i++)
        if (run->arrays[i].data && run->arrays[i].shape.rank > 0)
            return (int)run->arrays[i].shape.dims[0];
    return 1;
}

static enum e2b_status write_input(struct run *run, int index, struct e2b_error *err) {
    const struct e2b_tensor *tensor = execution_input(&run->execution, index);
    const struct npy *array = &run->arrays[index];
    const char *name = e2b_model_input(run->session.model, index)->name;
    char expected[96], given[96];
    if (index == run->image.input)
        return execution_write(&run->execution, index, run->pixels, err);
    if (!array->data)
        return e2b_fail(
            err, E2B_INVALID, "input \"%s\" is missing: give --input %s=FILE.npy", name, name);
    if (array->dtype != tensor->dtype || !e2b_shape_equal(&array->shape, &tensor->shape))
        return e2b_fail(err, E2B_INVALID, "input \"%s\" is %s %s, the file holds %s %s", name,
            e2b_dtype_name(tensor->dtype),
            e2b_shape_print(&tensor->shape, expected, sizeof expected),
            e2b_dtype_name(array->dtype), e2b_shape_print(&array->shape, given, sizeof given));
    return execution_write(&run->execution, index, array->data, err);
}

static enum e2b_status save_output(struct run *run, int index, struct e2b_error *err) {
    const struct e2b_tensor *tensor = execution_output(&run->execution, index);
    const char *name = e2b_model_output(run->session.model, index)->name;
    char file[256], path[4096], shape[96];
    snprintf(file, sizeof file, "%s", name);
    for (char *c = file; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-')
            *c = '_';
    snprintf(path, sizeof path, "%s/%s.npy", run->args.output_dir, file);
    void *data = malloc((size_t)run->execution.output_bytes[index] + 1);
    if (!data)
        return e2b_fail_memory(err, "an output");
    if (execution_read(&run->execution, index, data, err) == E2B_OK
        && npy_write(path, tensor->dtype, &tensor->shape, data, err) == E2B_OK)
        printf("%s: %s %s -> %s\n", name, e2b_dtype_name(tensor->dtype),
            e2b_shape_print(&tensor->shape, shape, sizeof shape), path);
    free(data);
    return err->status;
}

static enum e2b_status run_all(struct run *run, struct e2b_error *err) {
    struct execution_options options = {.image = run->args.image ? &run->image : NULL};
    if (session_precision(run->args.precision, &options.precision, err) != E2B_OK
        || session_merge_rule(run->args.merge, &options.merge, err) != E2B_OK
        || session_open(run->args.model, run->args.device, &run->session, err) != E2B_OK
        || read_inputs(run, err) != E2B_OK || prepare_image(run, err) != E2B_OK)
        return err->status;
    options.batch = wanted_batch(run);
    if (options.batch < 1)
        return e2b_fail(
            err, E2B_INVALID, "a batch of %d samples: expected 1 or more", options.batch);
    if (e2b_file_make_folder(run->args.output_dir, err) != E2B_OK
        || execution_create(&run->session, &options, &run->execution, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < e2b_model_input_count(run->session.model); i++)
        if (write_input(run, i, err) != E2B_OK)
            return err->status;
    if (execution_run(&run->execution, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < e2b_model_output_count(run->session.model); i++)
        if (save_output(run, i, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

static int run_command(int argc, char **argv) {
    struct run run = {.args = {.device = "auto",
                          .precision = "fp32",
                          .output_dir = ".",
                          .mean = "0",
                          .std = "1",
                          .merge = "auto"}};
    const struct arg args[] = {{"MODEL.onnx", NULL, "the network", ARG_TEXT, &run.args.model, 0, 0},
        {"--input", "NAME=FILE.npy", "an input as a NumPy array; once for each input", ARG_LIST,
            &run.args.inputs, 0, 0},
        {"--image", "FILE", "a JPEG or PNG picture as the first input", ARG_TEXT, &run.args.image,
            0, 0},
        {"--mean", "R,G,B", "subtracted from pixels 0..255 (default 0)", ARG_TEXT, &run.args.mean,
            0, 0},
        {"--std", "R,G,B", "then divided by (default 1)", ARG_TEXT, &run.args.std, 0, 0},
        {"--resize", "PX", "short side before the middle is cut out (default 0: no crop)", ARG_INT,
            &run.args.resize_px, 0, 16384},
        {"--output-dir", "FOLDER", "where <output>.npy files go (default .)", ARG_TEXT,
            &run.args.output_dir, 0, 0},
        {"--device", "SELECT", "auto, gpu, cpu, an index or a part of a name (default auto)",
            ARG_TEXT, &run.args.device, 0, 0},
        {"--precision", "P", "fp32 or fp16, of activations and weights (default fp32)", ARG_TEXT,
            &run.args.precision, 0, 0},
        {"--merge", "RULE", "launches into one: auto, never or always (default auto)", ARG_TEXT,
            &run.args.merge, 0, 0},
        {0}};
    const struct arg_table table = {"run",
        "Runs a network once and writes its outputs as NumPy arrays. A network with a free batch\n"
        "dimension takes the batch of its first input.",
        "  e2bird run resnet50.onnx --input data=batch.npy --output-dir out\n"
        "  e2bird run models/efficientnet_lite0.onnx --image cat.png --mean 127 --std 128\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    run_all(&run, &err);
    execution_finish(&run.execution);
    session_close(&run.session);
    for (int i = 0; i < ARG_LIST_MAX; i++)
        npy_finish(&run.arrays[i]);
    free(run.pixels);
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_run = {
    "run", "run a network once on arrays or a picture", run_command};
