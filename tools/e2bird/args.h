/* Command lines as tables: the same rows parse the arguments and print the help. */
#ifndef E2B_TOOLS_ARGS_H
#define E2B_TOOLS_ARGS_H

#include "runtime/base/status.h"
#include <stdbool.h>

enum arg_kind {
    ARG_FLAG,   /* bool *out */
    ARG_TEXT,   /* const char **out: the last one given */
    ARG_LIST,   /* struct arg_list *out: every one given */
    ARG_INT,    /* int *out, min..max */
    ARG_NUMBER, /* double *out, min..max */
    ARG_INTS,   /* struct arg_ints *out: "1,8,32", each min..max */
};

#define ARG_LIST_MAX 64

struct arg_list {
    const char *items[ARG_LIST_MAX];
    int count;
};

struct arg_ints {
    int items[ARG_LIST_MAX];
    int count;
};

/* name "--batch", or "MODEL.onnx" for a positional argument, which is required and ARG_TEXT. */
struct arg {
    const char *name;
    const char *value; /* "FILE" in the help; NULL for flags and positional arguments */
    const char *help;
    enum arg_kind kind;
    void *out;
    double min, max;
};

struct arg_table {
    const char *command;     /* "run" */
    const char *description; /* what it does, in sentences */
    const char *examples;    /* lines ready to type */
    const struct arg *args;  /* ends with name NULL */
};

/* Sets *helped and prints the help when --help or -h is among the arguments. */
enum e2b_status args_parse(
    const struct arg_table *table, int argc, char **argv, bool *helped, struct e2b_error *err);

/* Parse, or print help or error: true if the command shall go on, else *exit_code is its end. */
bool args_ready(const struct arg_table *table, int argc, char **argv, int *exit_code);

#endif
