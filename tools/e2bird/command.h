/* The subcommands of `e2bird`. Each takes the arguments after its name and returns an exit status:
 * 0 fine, 1 the work failed, 2 the command line is wrong. */
#ifndef E2B_TOOLS_COMMAND_H
#define E2B_TOOLS_COMMAND_H

#include "runtime/base/status.h"

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

extern const struct command command_serve, command_check, command_devices, command_inspect,
    command_run, command_bench, command_tune, command_lab;

/* Print "e2bird: <error>" to stderr; returns 1. */
int command_failed(const struct e2b_error *err);

#endif
