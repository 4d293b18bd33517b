#include "tools/e2bird/command.h"

#include "runtime/config/config.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/deployed.h"

#include <stdio.h>

/* Whether the model can be read and fits its batch sizes; the reason goes to stderr. */
static bool check_model(const struct e2b_config_model *config) {
    struct deployed deployed;
    struct e2b_error err = {0};
    deployed_open(config, &deployed, &err);
    for (int i = 0; err.status == E2B_OK && i < config->batch_sizes_count; i++) {
        const struct e2b_graph_options options = {.batch = (int)config->batch_sizes[i],
            .precision = deployed.precision,
            .channel_align = 1,
            .image = deployed.image};
        struct e2b_graph *graph;
        if (e2b_graph_create(deployed.model, &options, &graph, &err) == E2B_OK)
            e2b_graph_destroy(graph);
        else
            e2b_error_while(
                &err, "preparing model \"%s\" for batch size %d", config->name, options.batch);
    }
    if (err.status != E2B_OK)
        command_failed(&err);
    deployed_close(&deployed);
    return err.status == E2B_OK;
}

static int check(int argc, char **argv) {
    const char *path = NULL;
    const struct arg args[] = {
        {"CONFIG.yaml", NULL, "the configuration to check", ARG_TEXT, &path, 0, 0}, {0}};
    struct e2b_text help = {0};
    e2b_config_help(&help);
    struct e2b_text description = {0};
    e2b_text_add(&description,
        "Checks a configuration as a whole without touching a device: each option, and whether "
        "its\n"
        "models, their batch sizes, labels and image inputs can be served. Says where it is "
        "wrong:\n"
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
    for (int i = 0; i < config->models_count; i++)
        complete = check_model(&config->models[i]) && complete;
    if (complete)
        printf("%s: fine, %d model%s\n", path, config->models_count,
            config->models_count == 1 ? "" : "s");
    e2b_config_destroy(config);
    return complete ? 0 : 1;
}

const struct command command_check = {
    "check", "check a configuration file without a device", check};
