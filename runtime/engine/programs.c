#include "runtime/engine/programs.h"

#include "runtime/base/log.h"
#include "runtime/base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BUILDERS 16

struct item {
    const struct e2b_source *source;
    struct e2b_source *made; /* source, where it is ours */
    char *options;
    struct e2b_program *program;
    bool failed;
};

struct e2b_programs {
    struct e2b_device *device;
    struct item *items;
    int count, capacity;
};

/* State that the builder threads of one e2b_programs_build share. */
struct build {
    struct e2b_programs *programs;
    pthread_mutex_t lock;
    int done, total;
    bool quiet, each; /* each: go on after a failure */
    struct e2b_error err;
};

enum e2b_status e2b_programs_create(
    struct e2b_device *device, struct e2b_programs **out, struct e2b_error *err) {
    struct e2b_programs *programs = calloc(1, sizeof *programs);
    if (!programs)
        return e2b_fail_memory(err, "the program table");
    programs->device = device;
    *out = programs;
    return E2B_OK;
}

void e2b_programs_destroy(struct e2b_programs *programs) {
    if (!programs)
        return;
    for (int i = 0; i < programs->count; i++) {
        programs->device->ops->program_destroy(programs->device, programs->items[i].program);
        free(programs->items[i].options);
        free(programs->items[i].made);
    }
    free(programs->items);
    free(programs);
}

int e2b_programs_want(
    struct e2b_programs *programs, const struct e2b_source *source, const char *options) {
    for (int i = 0; i < programs->count; i++)
        if (programs->items[i].source == source && !strcmp(programs->items[i].options, options))
            return i;
    if (programs->count == programs->capacity) {
        int capacity = programs->capacity ? 2 * programs->capacity : 32;
        struct item *items = realloc(programs->items, (size_t)capacity * sizeof *items);
        if (!items)
            return -1;
        programs->items = items;
        programs->capacity = capacity;
    }
    char *copy = strdup(options);
    if (!copy)
        return -1;
    programs->items[programs->count] = (struct item){.source = source, .options = copy};
    return programs->count++;
}

int e2b_programs_want_text(
    struct e2b_programs *programs, const char *path, const char *text, const char *options) {
    for (int i = 0; i < programs->count; i++)
        if (programs->items[i].made && !strcmp(programs->items[i].options, options)
            && !strcmp(programs->items[i].made->text, text))
            return i;
    size_t bytes = strlen(text);
    struct e2b_source *made = malloc(sizeof *made + bytes + 1);
    if (!made)
        return -1;
    char *copy = memcpy(made + 1, text, bytes + 1);
    *made = (struct e2b_source){path, copy, bytes};
    int number = e2b_programs_want(programs, made, options);
    if (number < 0)
        free(made);
    else
        programs->items[number].made = made;
    return number;
}

static bool is_due(const struct build *build, const struct item *item) {
    return !item->program && !(build->each && item->failed);
}

/* The item, if it is to be built and nothing failed before. Called with the lock held. */
static struct item *take(struct build *build, int number) {
    struct item *item = &build->programs->items[number];
    return is_due(build, item) && (build->each || build->err.status == E2B_OK) ? item : NULL;
}

static void build_one(void *context, int number) {
    struct build *build = context;
    struct e2b_device *device = build->programs->device;
    pthread_mutex_lock(&build->lock);
    struct item *item = take(build, number);
    pthread_mutex_unlock(&build->lock);
    if (!item)
        return;
    struct e2b_program *program = NULL;
    struct e2b_error err = {0};
    device->ops->program_build(device, item->source, item->options, &program, &err);
    pthread_mutex_lock(&build->lock);
    item->program = program;
    item->failed = err.status != E2B_OK;
    build->done++;
    if (err.status != E2B_OK && build->err.status == E2B_OK)
        build->err = err;
    if (!build->quiet)
        e2b_progress("compiling kernels", build->done, build->total, item->source->path);
    pthread_mutex_unlock(&build->lock);
}

static void build_all(struct build *build) {
    for (int i = 0; i < build->programs->count; i++)
        build->total += is_due(build, &build->programs->items[i]);
    e2b_thread_share("e2b-build", build->programs->count,
        build->total < MAX_BUILDERS ? build->total : MAX_BUILDERS, build_one, build);
}

enum e2b_status e2b_programs_build(
    struct e2b_programs *programs, bool quiet, struct e2b_error *err) {
    struct build build = {.programs = programs, .quiet = quiet, .lock = PTHREAD_MUTEX_INITIALIZER};
    build_all(&build);
    pthread_mutex_destroy(&build.lock);
    if (build.err.status != E2B_OK)
        *err = build.err;
    return build.err.status;
}

void e2b_programs_build_each(struct e2b_programs *programs, bool quiet) {
    struct build build = {
        .programs = programs, .quiet = quiet, .each = true, .lock = PTHREAD_MUTEX_INITIALIZER};
    build_all(&build);
    pthread_mutex_destroy(&build.lock);
    if (build.err.status != E2B_OK)
        e2b_log(E2B_LOG_DEBUG, "engine", "a program does not build: %s", build.err.text);
}

struct e2b_program *e2b_programs_get(const struct e2b_programs *programs, int number) {
    return programs->items[number].program;
}

int e2b_programs_count(const struct e2b_programs *programs) {
    return programs->count;
}
