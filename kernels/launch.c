#include "kernels/launch.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct e2b_launch *e2b_launch_add(struct e2b_launch_list *list, const struct e2b_source *source,
    const char *kernel, const char *options, ...) {
    size_t count = (size_t)list->launch_count + 1;
    struct e2b_launch *grown = realloc(list->launches, count * sizeof *grown);
    if (!grown)
        return NULL;
    list->launches = grown;
    struct e2b_launch *launch = &grown[list->launch_count++];
    memset(launch, 0, sizeof *launch);
    launch->source = source;
    snprintf(launch->kernel, sizeof launch->kernel, "%s", kernel);
    va_list args;
    va_start(args, options);
    int length = vsnprintf(launch->options, sizeof launch->options, options, args);
    va_end(args);
    assert(length >= 0 && (size_t)length < sizeof launch->options);
    (void)length;
    return launch;
}

int e2b_launch_list_pack(struct e2b_launch_list *list, const struct e2b_packing *packing) {
    size_t count = (size_t)list->packing_count + 1;
    struct e2b_packing *grown = realloc(list->packings, count * sizeof *grown);
    if (!grown)
        return -1;
    list->packings = grown;
    grown[list->packing_count] = *packing;
    return list->packing_count++;
}

void e2b_launch_list_finish(struct e2b_launch_list *list) {
    free(list->launches);
    free(list->packings);
    memset(list, 0, sizeof *list);
}

static struct e2b_arg *add_arg(struct e2b_launch *launch, enum e2b_arg_kind kind) {
    assert(launch->arg_count < E2B_MAX_ARGS);
    struct e2b_arg *arg = &launch->args[launch->arg_count++];
    arg->kind = kind;
    return arg;
}

void e2b_launch_input(struct e2b_launch *launch, int index) {
    add_arg(launch, E2B_ARG_INPUT)->index = index;
}

void e2b_launch_output(struct e2b_launch *launch, int index) {
    add_arg(launch, E2B_ARG_OUTPUT)->index = index;
}

void e2b_launch_scratch(struct e2b_launch *launch, int index) {
    add_arg(launch, E2B_ARG_SCRATCH)->index = index;
}

void e2b_launch_packed(struct e2b_launch *launch, int packing) {
    add_arg(launch, E2B_ARG_PACKED)->index = packing;
}

void e2b_launch_int(struct e2b_launch *launch, int64_t value) {
    assert(value >= INT32_MIN && value <= INT32_MAX);
    add_arg(launch, E2B_ARG_INT)->i = (int32_t)value;
}

void e2b_launch_float(struct e2b_launch *launch, double value) {
    add_arg(launch, E2B_ARG_FLOAT)->f = (float)value;
}

static void round_to_groups(struct e2b_launch *launch) {
    for (int i = 0; i < 3; i++) {
        size_t local = launch->local[i];
        if (local > 1)
            launch->global[i] = (launch->global[i] + local - 1) / local * local;
    }
}

void e2b_launch_grid(struct e2b_launch *launch, size_t x, size_t y, size_t z) {
    launch->global[0] = x;
    launch->global[1] = y;
    launch->global[2] = z;
    round_to_groups(launch);
}

void e2b_launch_group(struct e2b_launch *launch, size_t x, size_t y, size_t z) {
    launch->local[0] = x;
    launch->local[1] = y;
    launch->local[2] = z;
    round_to_groups(launch);
}
