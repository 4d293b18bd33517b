#include "tools/e2bird/command.h"

#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {&command_serve, &command_check, &command_devices,
    &command_inspect, &command_run, &command_bench, &command_tune, &command_lab};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_help(FILE *to) {
    fprintf(to,
        "usage: e2bird COMMAND [arguments]\n\n"
        "Serves neural networks (ONNX) on any device that has OpenCL.\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to,
        "\ne2bird COMMAND --help tells more. A first look:\n"
        "  e2bird devices\n"
        "  e2bird serve configs/demo.yaml\n");
}

static int unknown_command(const char *name) {
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *near = e2b_text_nearest(name, names);
    if (near)
        fprintf(stderr, "e2bird: unknown command \"%s\": did you mean \"%s\"?\n", name, near);
    else
        fprintf(stderr, "e2bird: unknown command \"%s\": see e2bird --help\n", name);
    return 2;
}

int command_failed(const struct e2b_error *err) {
    fprintf(stderr, "e2bird: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("e2bird %s\n", E2B_VERSION);
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(argv[1], commands[i]->name))
            return commands[i]->run(argc - 2, argv + 2);
    return unknown_command(argv[1]);
}
