#include "tools/e2bird/command.h"

#include "runtime/config/config.h"
#include "tools/e2bird/args.h"

#include <stdio.h>
#include <unistd.h>

static bool is_there(const char *what, const char *model, const char *path) {
    if (!path[0] || access(path, R_OK) == 0)
        return true;
    fprintf(stderr, "e2bird: model \"%s\": %s %s cannot be read\n", model, what, path);
    return false;
}

static int check(int argc, char **argv) {
    const char *path = NULL;
    const struct arg args[] = {
        {"CONFIG.yaml", NULL, "the configuration to check", ARG_TEXT, &path, 0, 0}, {0}};
    struct e2b_text help = {0};
    e2b_config_help(&help);
    struct e2b_text description = {0};
    e2b_text_add(&description,
        "Checks a configuration as a whole without touching a device, and says where it is wrong:\n"
        "file, line, column, the wrong key and the nearest right one. All options:\n\n%s",
        help.failed ? "" : help.data);
    const struct arg_table table = {"check", description.failed ? "" : description.data,
        "  e2bird check configs/demo.yaml\n", args};
    int exit_code;
    bool ready = args_ready(&table, argc, argv, &exit_code);
    e2b_text_finish(&help);
    e2b_text_finish(&description);
    if (!ready)
        return exit_code;
    struct e2b_config *config;
    struct e2b_error err = {0};
    if (e2b_config_load(path, &config, &err) != E2B_OK)
        return command_failed(&err);
    bool complete = true;
    for (int i = 0; i < config->models_count; i++) {
        const struct e2b_config_model *model = &config->models[i];
        complete = is_there("file", model->name, model->path) && complete;
        complete = is_there("labels", model->name, model->labels) && complete;
    }
    if (complete)
        printf("%s: fine, %d model%s\n", path, config->models_count,
            config->models_count == 1 ? "" : "s");
    e2b_config_destroy(config);
    return complete ? 0 : 1;
}

const struct command command_check = {
    "check", "check a configuration file without a device", check};
