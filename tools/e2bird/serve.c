#include "tools/e2bird/command.h"

#include "backends/opencl/opencl.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/thread.h"
#include "runtime/config/config.h"
#include "runtime/engine/trace.h"
#include "runtime/server/listen.h"
#include "runtime/server/server.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/deployed.h"

#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACE_EVENTS 1000000
#define PROFILES "/profiles"

struct serve_args {
    const char *config, *device, *trace;
    int port;
};

/* Everything that serving holds, in the order in which it is made. */
struct serving {
    struct e2b_config *config;
    struct e2b_device *device;
    struct e2b_tuning *tuning;
    char profile_folder[4096];
    struct e2b_trace *trace; /* NULL: none is wanted */
    struct e2b_engine *engine;
    struct deployed *deployed;
    int (*sizes)[E2B_SCHED_MAX_SIZES];
    struct e2b_served_entry *entries;
    struct e2b_server *server;
};

static void close_all(struct serving *serving, struct e2b_error *err) {
    e2b_server_destroy(serving->server);
    e2b_engine_destroy(serving->engine);
    int count = serving->config ? serving->config->models_count : 0;
    e2b_trace_close(serving->trace, err);
    for (int i = 0; serving->deployed && i < count; i++)
        deployed_close(&serving->deployed[i]);
    e2b_tuning_destroy(serving->tuning);
    if (serving->device)
        serving->device->ops->destroy(serving->device);
    free(serving->deployed);
    free(serving->sizes);
    free(serving->entries);
    e2b_config_destroy(serving->config);
}

static void set_profile_folder(struct serving *serving) {
    char *to = serving->profile_folder;
    size_t room = sizeof serving->profile_folder - sizeof PROFILES;
    e2b_file_cache_folder(serving->config->device.cache_folder, to, room);
    if (to[0])
        memcpy(to + strlen(to), PROFILES, sizeof PROFILES);
}

static enum e2b_status open_device(
    struct serving *serving, const struct serve_args *args, struct e2b_error *err) {
    const struct e2b_config_device *config = &serving->config->device;
    const struct e2b_opencl_options options = {
        .select = args->device ? args->device : config->select,
        .cache_folder = config->cache_folder,
        .memory_limit_bytes = config->memory_limit_mb << 20,
    };
    if (e2b_opencl_open(&options, &serving->device, err) != E2B_OK)
        return err->status;
    e2b_log(E2B_LOG_INFO, "serve", "device: %s", serving->device->identity);
    set_profile_folder(serving);
    return e2b_tuning_open(serving->device, config->cache_folder, &serving->tuning, err);
}

static void describe(const struct e2b_config_model *config, const struct deployed *deployed,
    struct e2b_serve_options *out) {
    out->name = config->name;
    out->slot_count = (int)config->slots;
    out->size_count = config->batch_sizes_count;
    for (int i = 0; i < config->batch_sizes_count; i++) {
        out->sizes[i] = (int)config->batch_sizes[i];
        out->instances[i] = (int)config->instances[i];
    }
    out->precision = deployed->precision;
    out->image = deployed->image;
    out->target_ns = (int64_t)(config->target_ms * 1e6);
    out->percentile = config->percentile;
    out->weight = config->weight;
}

static enum e2b_status load_model(struct serving *serving, int index, struct e2b_error *err) {
    const struct e2b_config_model *config = &serving->config->models[index];
    struct e2b_serve_options options = {0};
    struct e2b_served_entry *entry = &serving->entries[index];
    int64_t start_ns = e2b_clock_ns();
    struct deployed *deployed = &serving->deployed[index];
    if (deployed_open(config, deployed, err) != E2B_OK)
        return err->status;
    describe(config, deployed, &options);
    options.tuning = serving->tuning;
    options.tune_ns = serving->config->device.tune_seconds * 1000000000;
    options.profile_folder = serving->profile_folder;
    options.profile_ns = 1 + serving->config->device.profile_seconds * 1000000000;
    if (e2b_engine_add(serving->engine, deployed->model, &options, &entry->served, err) != E2B_OK)
        return err->status;
    entry->labels = (struct e2b_labels){deployed->labels.names, deployed->labels.count};
    entry->image_input = options.image.input;
    entry->priority = (int)config->priority;
    entry->resize_px = (int)config->image.resize_px;
    memcpy(serving->sizes[index], options.sizes, sizeof options.sizes);
    entry->sizes = serving->sizes[index];
    entry->size_count = options.size_count;
    e2b_log(E2B_LOG_INFO, "serve", "model %s: ready in %.1f s, %.1f MB on the device", config->name,
        (double)(e2b_clock_ns() - start_ns) / 1e9,
        (double)e2b_served_device_bytes(entry->served) / 1e6);
    return E2B_OK;
}

static enum e2b_status load_models(struct serving *serving, struct e2b_error *err) {
    const struct e2b_config_scheduler *scheduler = &serving->config->scheduler;
    size_t count = (size_t)serving->config->models_count;
    serving->deployed = calloc(count, sizeof *serving->deployed);
    serving->sizes = calloc(count, sizeof *serving->sizes);
    serving->entries = calloc(count, sizeof *serving->entries);
    if (!serving->deployed || !serving->sizes || !serving->entries)
        return e2b_fail_memory(err, "the models");
    const struct e2b_engine_options options = {.policy = scheduler->policy,
        .policy_values = scheduler->options.values,
        .trace = serving->trace};
    if (e2b_engine_create(serving->device, &options, &serving->engine, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < serving->config->models_count; i++)
        if (load_model(serving, i, err) != E2B_OK)
            return err->status;
    return e2b_engine_start(serving->engine, err);
}

static int port_of(const struct serving *serving, const struct serve_args *args) {
    return args->port >= 0 ? args->port : (int)serving->config->server.port;
}

/* A wrong address or a port in use shows before models are loaded and tuned, which takes long. */
static enum e2b_status try_port(
    const struct serving *serving, const struct serve_args *args, struct e2b_error *err) {
    int socket, port;
    const char *address = serving->config->server.address;
    if (e2b_listen(address, port_of(serving, args), &socket, &port, err) == E2B_OK)
        close(socket);
    return err->status;
}

static enum e2b_status start_server(
    struct serving *serving, const struct serve_args *args, struct e2b_error *err) {
    const struct e2b_config_server *config = &serving->config->server;
    const struct e2b_server_options options = {
        .address = config->address,
        .port = port_of(serving, args),
        .threads = config->threads > 0 ? (int)config->threads : e2b_topology_get()->cores,
        .max_body_bytes = (size_t)config->max_body_mb << 20,
        .request_timeout_ns = config->request_timeout_ms * 1000000,
    };
    if (e2b_server_create(
            &options, serving->entries, serving->config->models_count, &serving->server, err)
            != E2B_OK
        || e2b_server_start(serving->server, err) != E2B_OK)
        return err->status;
    e2b_server_set_ready(serving->server, true);
    e2b_log(E2B_LOG_INFO, "serve", "ready on http://%s:%d", config->address,
        e2b_server_port(serving->server));
    return E2B_OK;
}

static sem_t stop_asked;

/* Any thread may be the one that the signal interrupts. A second signal ends the process at once.
 */
static void on_signal(int signal_number) {
    static volatile sig_atomic_t seen;
    (void)signal_number;
    if (seen)
        _exit(1);
    seen = 1;
    sem_post(&stop_asked);
}

/* Until here a signal just ends the process: nothing would be lost. */
static void take_signals(void) {
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sem_init(&stop_asked, 0, 0);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void wait_and_drain(struct serving *serving) {
    while (sem_wait(&stop_asked))
        continue;
    long long patience_s = (long long)serving->config->server.drain_seconds;
    e2b_log(E2B_LOG_INFO, "serve", "asked to stop: draining, at most %lld s", patience_s);
    bool complete = e2b_server_drain(serving->server, e2b_clock_ns() + patience_s * 1000000000);
    e2b_engine_drain(serving->engine, 0);
    e2b_log(E2B_LOG_INFO, "serve", "%s",
        complete ? "all requests are answered" : "requests that took too long were cancelled");
}

static enum e2b_status open_trace(
    struct serving *serving, const struct serve_args *args, struct e2b_error *err) {
    return args->trace ? e2b_trace_create(args->trace, TRACE_EVENTS, &serving->trace, err) : E2B_OK;
}

static int serve(int argc, char **argv) {
    struct serve_args given = {.port = -1};
    const struct arg args[] = {{"CONFIG.yaml", NULL, "the deployment: models, device, server",
                                   ARG_TEXT, &given.config, 0, 0},
        {"--port", "N", "instead of the configuration's; 0 takes a free one", ARG_INT, &given.port,
            0, 65535},
        {"--device", "SELECT", "instead of the configuration's: auto, gpu, cpu, an index, a name",
            ARG_TEXT, &given.device, 0, 0},
        {"--trace", "FILE", "record slots, copies, batches, queues and decisions for Perfetto",
            ARG_TEXT, &given.trace, 0, 0},
        {0}};
    const struct arg_table table = {"serve",
        "Loads the models of a configuration and answers the Open Inference Protocol over HTTP.\n"
        "Ready when the log says so and GET /v2/health/ready answers 200. SIGTERM or Ctrl-C "
        "drains:\n"
        "requests in flight are answered, new ones refused. e2bird check --help lists all options.",
        "  e2bird serve configs/demo.yaml\n"
        "  curl localhost:8000/v2/models/efficientnet_lite0\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    struct serving serving = {0};
    if (e2b_config_load(given.config, &serving.config, &err) == E2B_OK) {
        e2b_log_set_level((enum e2b_log_level)serving.config->server.log_level);
        if (try_port(&serving, &given, &err) == E2B_OK
            && open_device(&serving, &given, &err) == E2B_OK
            && open_trace(&serving, &given, &err) == E2B_OK
            && load_models(&serving, &err) == E2B_OK) {
            take_signals();
            if (start_server(&serving, &given, &err) == E2B_OK)
                wait_and_drain(&serving);
        }
    }
    close_all(&serving, &err);
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_serve = {"serve", "serve models over HTTP", serve};
