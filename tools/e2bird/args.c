#include "tools/e2bird/args.h"

#include "runtime/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_option(const struct arg *arg) {
    return arg->name[0] == '-';
}

static void print_usage(const struct arg_table *table, FILE *to) {
    fprintf(to, "usage: e2bird %s", table->command);
    for (const struct arg *arg = table->args; arg->name; arg++)
        if (!is_option(arg))
            fprintf(to, " %s", arg->name);
    fprintf(to, " [options]\n");
}

static void print_help(const struct arg_table *table) {
    print_usage(table, stdout);
    printf("\n%s\n", table->description);
    bool titled = false;
    for (const struct arg *arg = table->args; arg->name; arg++) {
        if (!titled && is_option(arg))
            printf("\noptions:\n");
        titled = titled || is_option(arg);
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", arg->name, arg->value ? " " : "",
            arg->value ? arg->value : "");
        printf("  %-26s %s\n", left, arg->help);
    }
    printf("\nexamples:\n%s", table->examples);
}

static enum e2b_status take_int(
    const struct arg *arg, const char *text, size_t length, int *out, struct e2b_error *err) {
    char digits[24] = "", *end;
    if (length < sizeof digits)
        memcpy(digits, text, length);
    errno = 0;
    long value = strtol(digits, &end, 10);
    if (!digits[0] || *end || errno || value < arg->min || value > arg->max)
        return e2b_fail(err, E2B_INVALID, "%s: \"%.*s\" is not a whole number in %.0f..%.0f",
            arg->name, (int)length, text, arg->min, arg->max);
    *out = (int)value;
    return E2B_OK;
}

static enum e2b_status take_number(
    const struct arg *arg, const char *text, double *out, struct e2b_error *err) {
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= arg->min) || !(*out <= arg->max))
        return e2b_fail(err, E2B_INVALID, "%s: \"%s\" is not a number in %g..%g", arg->name, text,
            arg->min, arg->max);
    return E2B_OK;
}

static enum e2b_status take_ints(const struct arg *arg, const char *text, struct e2b_error *err) {
    struct arg_ints *ints = arg->out;
    ints->count = 0;
    for (;;) {
        size_t length = strcspn(text, ",");
        if (ints->count == ARG_LIST_MAX)
            return e2b_fail(err, E2B_INVALID, "%s: at most %d numbers", arg->name, ARG_LIST_MAX);
        if (take_int(arg, text, length, &ints->items[ints->count++], err) != E2B_OK)
            return err->status;
        if (!text[length])
            return E2B_OK;
        text += length + 1;
    }
}

static enum e2b_status take_value(const struct arg *arg, const char *text, struct e2b_error *err) {
    struct arg_list *list = arg->out;
    switch (arg->kind) {
    case ARG_INT:
        return take_int(arg, text, strlen(text), arg->out, err);
    case ARG_NUMBER:
        return take_number(arg, text, arg->out, err);
    case ARG_INTS:
        return take_ints(arg, text, err);
    case ARG_LIST:
        if (list->count == ARG_LIST_MAX)
            return e2b_fail(err, E2B_INVALID, "%s: at most %d of them", arg->name, ARG_LIST_MAX);
        list->items[list->count++] = text;
        return E2B_OK;
    default:
        *(const char **)arg->out = text;
        return E2B_OK;
    }
}

static const struct arg *find_option(
    const struct arg_table *table, const char *name, size_t length) {
    for (const struct arg *arg = table->args; arg->name; arg++)
        if (is_option(arg) && strlen(arg->name) == length && !strncmp(arg->name, name, length))
            return arg;
    return NULL;
}

static enum e2b_status unknown_option(
    const struct arg_table *table, const char *name, struct e2b_error *err) {
    const char *known[ARG_LIST_MAX] = {NULL};
    int count = 0;
    for (const struct arg *arg = table->args; arg->name && count < ARG_LIST_MAX - 1; arg++)
        if (is_option(arg))
            known[count++] = arg->name;
    const char *near = e2b_text_nearest(name, known);
    if (near)
        return e2b_fail(err, E2B_INVALID, "unknown option %s: did you mean %s?", name, near);
    return e2b_fail(
        err, E2B_INVALID, "unknown option %s: see e2bird %s --help", name, table->command);
}

/* Takes the option at argv[*at], moving *at to its last argument. */
static enum e2b_status take_option(
    const struct arg_table *table, int argc, char **argv, int *at, struct e2b_error *err) {
    const char *text = argv[*at];
    size_t length = strcspn(text, "=");
    const struct arg *arg = find_option(table, text, length);
    if (!arg)
        return unknown_option(table, text, err);
    if (arg->kind == ARG_FLAG) {
        if (text[length])
            return e2b_fail(err, E2B_INVALID, "%s takes no value", arg->name);
        *(bool *)arg->out = true;
        return E2B_OK;
    }
    if (text[length])
        return take_value(arg, text + length + 1, err);
    if (*at + 1 == argc)
        return e2b_fail(
            err, E2B_INVALID, "%s needs a value: %s %s", arg->name, arg->name, arg->value);
    return take_value(arg, argv[++*at], err);
}

static const struct arg *nth_positional(const struct arg_table *table, int n) {
    for (const struct arg *arg = table->args; arg->name; arg++)
        if (!is_option(arg) && n-- == 0)
            return arg;
    return NULL;
}

enum e2b_status args_parse(
    const struct arg_table *table, int argc, char **argv, bool *helped, struct e2b_error *err) {
    int positional = 0;
    *helped = false;
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help(table);
            *helped = true;
            return E2B_OK;
        }
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (take_option(table, argc, argv, &i, err) != E2B_OK)
                return err->status;
            continue;
        }
        const struct arg *arg = nth_positional(table, positional++);
        if (!arg)
            return e2b_fail(err, E2B_INVALID, "%s is one argument too many: see e2bird %s --help",
                argv[i], table->command);
        if (take_value(arg, argv[i], err) != E2B_OK)
            return err->status;
    }
    const struct arg *missing = nth_positional(table, positional);
    if (missing)
        return e2b_fail(
            err, E2B_INVALID, "%s is missing: see e2bird %s --help", missing->name, table->command);
    return E2B_OK;
}

bool args_ready(const struct arg_table *table, int argc, char **argv, int *exit_code) {
    struct e2b_error err = {0};
    bool helped;
    *exit_code = 0;
    if (args_parse(table, argc, argv, &helped, &err) == E2B_OK)
        return !helped;
    fprintf(stderr, "e2bird %s: %s\n", table->command, err.text);
    *exit_code = 2;
    return false;
}
