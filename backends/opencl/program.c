#include "backends/opencl/error.h"
#include "backends/opencl/object.h"
#include "backends/opencl/ptx.h"
#include "backends/opencl/routine.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct e2b_source e2b_source_prelude;

static struct e2b_cl_key key_of(
    const struct e2b_opencl *device, const struct e2b_source *source, const char *options) {
    struct e2b_cl_key key;
    e2b_cl_key_start(&key);
    e2b_cl_key_add(&key, device->base.identity, strlen(device->base.identity));
    e2b_cl_key_add(&key, options, strlen(options));
    e2b_cl_key_add(&key, e2b_source_prelude.text, e2b_source_prelude.bytes);
    e2b_cl_key_add(&key, source->path, strlen(source->path));
    e2b_cl_key_add(&key, source->text, source->bytes);
    return key;
}

static cl_program from_binary(
    struct e2b_opencl *device, const unsigned char *binary, size_t bytes, const char *options) {
    cl_int code, loaded = CL_SUCCESS;
    cl_program program =
        clCreateProgramWithBinary(device->context, 1, &device->id, &bytes, &binary, &loaded, &code);
    if (!program)
        return NULL;
    if (loaded == CL_SUCCESS
        && clBuildProgram(program, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return program;
    clReleaseProgram(program);
    return NULL;
}

static cl_program from_cache(
    struct e2b_opencl *device, const struct e2b_cl_key *key, const char *options) {
    size_t bytes;
    unsigned char *binary = e2b_cl_cache_load(&device->cache, key, &bytes);
    if (!binary)
        return NULL;
    cl_program program = from_binary(device, binary, bytes, options);
    if (!program)
        e2b_cl_cache_reject(&device->cache, key, "the driver does not take the binary");
    free(binary);
    return program;
}

/* The log's first line that speaks of an error, else its first line that says anything. */
static void first_error(const char *log, char *out, size_t capacity) {
    const char *line = strcasestr(log, "error");
    if (!line)
        line = log + strspn(log, " \t\r\n");
    while (line > log && line[-1] != '\n')
        line--;
    line += strspn(line, " \t");
    snprintf(out, capacity, "%.*s", (int)strcspn(line, "\r\n"), line);
}

static int lines_of(const char *text, size_t bytes) {
    int lines = 0;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Some compilers heed no #line and count from the first line of all: "<kernel>:121:10: error: ...".
 * Turn that into the file's own line. */
static void relocate(const struct e2b_source *source, char *line, size_t capacity) {
    char rest[200];
    int number, prefix = 3 + lines_of(e2b_source_prelude.text, e2b_source_prelude.bytes);
    if (!strstr(line, source->path) && sscanf(line, "%*[^:]:%d:%199[^\n]", &number, rest) == 2
        && number > prefix)
        snprintf(line, capacity, "%.60s:%d:%.120s", source->path, number - prefix, rest);
}

static enum e2b_status fail_build(struct e2b_opencl *device, const struct e2b_source *source,
    const char *options, cl_program program, cl_int code, struct e2b_error *err) {
    size_t bytes = 0;
    char line[200] = "";
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    char *log = calloc(bytes + 1, 1);
    if (log) {
        clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL);
        first_error(log, line, sizeof line);
        relocate(source, line, sizeof line);
        e2b_log(E2B_LOG_DEBUG, "opencl", "build log of %s with \"%s\":\n%s", source->path, options,
            log);
    }
    free(log);
    if (!line[0] || code != CL_BUILD_PROGRAM_FAILURE)
        return e2b_cl_fail(err, code, "compile %s with \"%.80s\"", source->path, options);
    bool located = strstr(line, source->path);
    return e2b_fail_code(err, E2B_INTERNAL, code, "%s%s%s (options \"%.80s\")",
        located ? "" : source->path, located ? "" : ": ", line, options);
}

static cl_program compile(struct e2b_opencl *device, const struct e2b_source *source,
    const char *options, struct e2b_error *err) {
    char here[160];
    int length = snprintf(here, sizeof here, "\n#line 1 \"%s\"\n", source->path);
    static const char start[] = "#line 1 \"kernels/common/prelude.clh\"\n";
    const char *texts[] = {start, e2b_source_prelude.text, here, source->text};
    const size_t lengths[] = {
        sizeof start - 1, e2b_source_prelude.bytes, (size_t)length, source->bytes};
    cl_int code;
    cl_program program = clCreateProgramWithSource(device->context, 4, texts, lengths, &code);
    if (!program) {
        e2b_cl_fail(err, code, "source of %s", source->path);
        return NULL;
    }
    code = clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return program;
    fail_build(device, source, options, program, code, err);
    clReleaseProgram(program);
    return NULL;
}

/* Takes the program. */
static cl_program retarget(struct e2b_opencl *device, cl_program program, const char *target,
    const struct e2b_source *source, const char *options, struct e2b_error *err) {
    size_t length, bytes;
    unsigned char *binary = e2b_cl_binary_of(program, &length);
    char *text = binary ? e2b_ptx_retarget((char *)binary, length, target, &bytes) : NULL;
    cl_program result = text ? from_binary(device, (unsigned char *)text, bytes, options) : NULL;
    if (!result)
        e2b_fail(
            err, E2B_UNSUPPORTED, "the driver does not assemble %s for %s", source->path, target);
    free(text);
    free(binary);
    clReleaseProgram(program);
    return result;
}

enum e2b_status e2b_cl_program_build(struct e2b_device *base, const struct e2b_source *source,
    const char *options, struct e2b_program **out, struct e2b_error *err) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    struct e2b_cl_key key = key_of(device, source, options);
    *out = NULL;
    struct e2b_program *program = calloc(1, sizeof *program);
    if (!program)
        return e2b_fail_memory(err, "a program");
    program->path = source->path;
    program->program = from_cache(device, &key, options);
    if (!program->program) {
        char target[16];
        program->program = compile(device, source, options, err);
        if (program->program && e2b_ptx_target(options, target, sizeof target))
            program->program = retarget(device, program->program, target, source, options, err);
        if (!program->program) {
            free(program);
            return err->status;
        }
        e2b_cl_saver_add(&device->saver, &key, program->program);
    }
    *out = program;
    return E2B_OK;
}

void e2b_cl_program_destroy(struct e2b_device *device, struct e2b_program *program) {
    (void)device;
    if (!program)
        return;
    clReleaseProgram(program->program);
    free(program);
}

enum e2b_status e2b_cl_kernel_create(struct e2b_device *device, struct e2b_program *program,
    const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    cl_int code;
    (void)device;
    *out = NULL;
    struct e2b_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return e2b_fail_memory(err, "a kernel");
    kernel->kernel = clCreateKernel(program->program, name, &code);
    if (!kernel->kernel) {
        free(kernel);
        return e2b_cl_fail(err, code, "kernel %s of %s", name, program->path);
    }
    *out = kernel;
    return E2B_OK;
}

void e2b_cl_kernel_destroy(struct e2b_device *device, struct e2b_kernel *kernel) {
    (void)device;
    if (!kernel)
        return;
    if (kernel->kernel)
        clReleaseKernel(kernel->kernel);
    e2b_routine_destroy(kernel->routine);
    free(kernel);
}

static enum e2b_status set(
    struct e2b_kernel *kernel, int index, const void *value, size_t bytes, struct e2b_error *err) {
    cl_int code = clSetKernelArg(kernel->kernel, (cl_uint)index, bytes, value);
    if (code == CL_SUCCESS)
        return E2B_OK;
    char name[96] = "?";
    clGetKernelInfo(kernel->kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    return e2b_cl_fail(err, code, "argument %d of kernel %s, %zu bytes", index, name, bytes);
}

enum e2b_status e2b_cl_kernel_set_buffer(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, struct e2b_buffer *buffer, struct e2b_error *err) {
    (void)device;
    if (kernel->routine)
        return e2b_routine_set_buffer(kernel->routine, index, buffer, err);
    return set(kernel, index, &buffer->mem, sizeof buffer->mem, err);
}

enum e2b_status e2b_cl_kernel_set_value(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, const void *value, size_t bytes, struct e2b_error *err) {
    (void)device;
    if (kernel->routine)
        return e2b_routine_set_value(kernel->routine, index, value, bytes, err);
    return set(kernel, index, value, bytes, err);
}
