#include "tools/lab/run.h"

#include "runtime/base/clock.h"
#include "runtime/base/ring.h"
#include "runtime/base/text.h"
#include "runtime/base/thread.h"
#include "tools/lab/random.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 4096
#define MOST_CHUNKS 16384
#define HEAD_START_NS 1000000    /* from the start of a run to its time 0 */
#define PATIENCE_NS 120000000000 /* for the last answers */
#define MOST_SENDERS 8
#define THREADS_A_SENDER 4 /* of the machine: the rest is for what is measured */

struct record {
    struct run *run;
    int64_t intended_ns, sent_ns, answered_ns; /* from the run's time 0 */
    int model, question, client;
    enum e2b_status status;
    bool wrong;
    struct e2b_request *request; /* answered, and to be read */
    struct e2b_request_times times;
};

/* Records keep their addresses: answers come from another thread. */
struct run {
    struct e2b_lab_rig *rig;
    const struct e2b_lab_load *load;
    int64_t zero_ns; /* on the device's clock */
    struct record **chunks;
    int count;
    atomic_int next; /* to be sent, of an open loop */
    atomic_int sent, answered;
    /* Clients of a closed loop that were answered, by sender. Each has its own, 0 of an open loop.
     */
    struct e2b_ring *idle[MOST_SENDERS];
    int idle_count;
    pthread_mutex_t lock;    /* of records that are added while others are sent */
    struct e2b_ring *unread; /* the rig's: records for the reader; NULL: who answers reads */
    pthread_t reader;
};

static struct record *record_at(const struct run *run, int index) {
    return &run->chunks[index / CHUNK][index % CHUNK];
}

static struct record *take_record(struct run *run) {
    if (run->count / CHUNK == MOST_CHUNKS)
        return NULL;
    struct record **chunk = &run->chunks[run->count / CHUNK];
    if (!*chunk)
        *chunk = malloc(CHUNK * sizeof **chunk);
    return *chunk ? record_at(run, run->count++) : NULL;
}

static struct record *add_record(struct run *run) {
    pthread_mutex_lock(&run->lock);
    struct record *record = take_record(run);
    pthread_mutex_unlock(&run->lock);
    if (record)
        *record = (struct record){.run = run};
    return record;
}

static void read_answer(struct record *record) {
    struct run *run = record->run;
    if (record->status == E2B_OK)
        record->wrong =
            !e2b_lab_rig_is_right(run->rig, record->model, record->question, record->request);
    e2b_request_times(record->request, &record->times);
    e2b_request_close(record->request);
    if (run->idle_count > 0)
        e2b_ring_push(run->idle[record->client % run->idle_count], &record->client);
    atomic_fetch_add(&run->answered, 1);
}

static void hand_over(struct run *run, struct record *record) {
    while (!e2b_ring_push(run->unread, &record))
        sched_yield();
}

static void answered(void *context, struct e2b_request *request, const struct e2b_error *err) {
    struct record *record = context;
    struct run *run = record->run;
    record->answered_ns = e2b_lab_rig_now_ns(run->rig) - run->zero_ns;
    record->status = err->status;
    record->request = request;
    if (run->unread)
        hand_over(run, record);
    else
        read_answer(record);
}

/* As the server's readers do, beside the thread that answers. Virtual time passes in one thread. */

static void *read_answers(void *context) {
    struct run *run = context;
    struct record *record;
    for (;;) {
        while (!e2b_ring_pop(run->unread, &record))
            e2b_ring_wait(run->unread, INT64_MAX);
        if (!record)
            return NULL;
        read_answer(record);
    }
}

static enum e2b_status start_reader(struct run *run, struct e2b_error *err) {
    if (run->rig->stand_in)
        return E2B_OK;
    run->unread = run->rig->unread;
    int code = e2b_thread_start(&run->reader, "reader", "", read_answers, run);
    if (code == 0)
        return E2B_OK;
    run->unread = NULL;
    return e2b_fail_code(err, E2B_INTERNAL, code, "cannot start a reader: %s", strerror(code));
}

static void stop_reader(struct run *run) {
    if (!run->unread)
        return;
    hand_over(run, NULL);
    pthread_join(run->reader, NULL);
}

/* A request that finds no slot, or comes while others like it are refused, is answered at once, as
 * by the server. */
static enum e2b_status send(struct run *run, struct record *record, struct e2b_error *err) {
    struct e2b_lab_rig *rig = run->rig;
    struct e2b_request *request = NULL;
    struct e2b_error refused = {0};
    int64_t target_ns = rig->models[record->model].target_ns;
    atomic_fetch_add(&run->sent, 1);
    record->sent_ns = e2b_lab_rig_now_ns(rig) - run->zero_ns;
    if (e2b_lab_rig_ask(rig, record->model, record->question, &request, &refused) != E2B_OK) {
        record->status = refused.status;
        record->answered_ns = record->sent_ns;
        atomic_fetch_add(&run->answered, 1);
        bool full = refused.status == E2B_BUSY && run->idle_count == 0;
        if (!full && refused.status != E2B_DEADLINE)
            *err = refused;
        return err->status;
    }
    const struct e2b_request_options options = {
        .arrival_ns = run->zero_ns + record->intended_ns,
        .deadline_ns = run->load->deadlines && target_ns > 0
            ? run->zero_ns + record->intended_ns + target_ns
            : 0,
    };
    e2b_request_submit(request, &options, answered, record);
    return E2B_OK;
}

/* Open loop: all is drawn first. One thread could not send a burst when it is due, as it writes
 * each request's input. */

static int compare_records(const void *a, const void *b) {
    const struct record *x = a, *y = b;
    if (x->intended_ns != y->intended_ns)
        return x->intended_ns < y->intended_ns ? -1 : 1;
    return (x->model > y->model) - (x->model < y->model);
}

static enum e2b_status draw_model(
    struct run *run, int model, struct record **list, int *count, struct e2b_error *err) {
    const struct e2b_lab_load *load = run->load;
    const char *name = run->rig->models[model].name;
    struct e2b_lab_times times = {0};
    if (e2b_lab_arrivals_draw(load->arrivals, load->rates[model],
            load->warm_up_ns + load->duration_ns, load->seed, name, &times, err)
        != E2B_OK)
        return err->status;
    struct e2b_lab_random random = e2b_lab_random_make(load->seed + 1, name);
    struct record *grown = realloc(*list, (size_t)(*count + times.count + 1) * sizeof *grown);
    if (!grown)
        e2b_fail_memory(err, "requests");
    else
        *list = grown;
    for (int i = 0; grown && i < times.count; i++)
        grown[(*count)++] = (struct record){.intended_ns = times.ns[i],
            .model = model,
            .question = e2b_lab_random_below(&random, E2B_LAB_QUESTIONS)};
    e2b_lab_times_finish(&times);
    return err->status;
}

static enum e2b_status take_drawn(
    struct run *run, const struct record *drawn, int count, struct e2b_error *err) {
    for (int i = 0; i < count; i++) {
        struct record *record = add_record(run);
        if (!record)
            return e2b_fail_memory(err, "requests");
        *record = drawn[i];
        record->run = run;
    }
    return E2B_OK;
}

struct sender {
    struct run *run;
    int number;
    pthread_t thread;
    struct e2b_error err;
};

/* Whoever fails stops the others. */
static void *send_next(void *context) {
    struct sender *sender = context;
    struct run *run = sender->run;
    int index;
    while ((index = atomic_fetch_add(&run->next, 1)) < run->count) {
        struct record *record = record_at(run, index);
        e2b_lab_rig_pass(run->rig, run->zero_ns + record->intended_ns, NULL, 0);
        if (send(run, record, &sender->err) != E2B_OK)
            atomic_store(&run->next, run->count);
    }
    return NULL;
}

/* Virtual time passes in one thread. */
static int sender_count(const struct run *run) {
    int count = e2b_topology_get()->hardware_threads / THREADS_A_SENDER;
    count = count < MOST_SENDERS ? count : MOST_SENDERS;
    return run->rig->stand_in || count < 1 ? 1 : count;
}

/* `count` senders, this thread among them: one that cannot be started has its turn at the end. */
static enum e2b_status send_by(
    struct run *run, int count, void *(*body)(void *sender), struct e2b_error *err) {
    struct sender senders[MOST_SENDERS] = {{.run = NULL}};
    bool started[MOST_SENDERS] = {false};
    for (int i = count - 1; i >= 0; i--) {
        senders[i].run = run;
        senders[i].number = i;
        started[i] =
            i > 0 && e2b_thread_start(&senders[i].thread, "sender", "", body, &senders[i]) == 0;
    }
    for (int i = 0; i < count; i++) {
        if (started[i])
            pthread_join(senders[i].thread, NULL);
        else
            body(&senders[i]);
        if (err->status == E2B_OK)
            *err = senders[i].err;
    }
    return err->status;
}

static enum e2b_status run_open(struct run *run, struct e2b_error *err) {
    struct record *drawn = NULL;
    int count = 0;
    for (int model = 0; model < run->rig->model_count && err->status == E2B_OK; model++)
        draw_model(run, model, &drawn, &count, err);
    if (count > 1)
        qsort(drawn, (size_t)count, sizeof *drawn, compare_records);
    if (err->status == E2B_OK && take_drawn(run, drawn, count, err) == E2B_OK) {
        run->zero_ns = e2b_lab_rig_now_ns(run->rig) + HEAD_START_NS;
        send_by(run, sender_count(run), send_next, err);
    }
    free(drawn);
    return err->status;
}

/* Closed loop: client c asks model c mod the number of models, again and again. */

static enum e2b_status send_for(
    struct run *run, int client, struct e2b_lab_random *random, struct e2b_error *err) {
    struct record *record = add_record(run);
    if (!record)
        return e2b_fail_memory(err, "requests");
    record->client = client;
    record->model = client % run->rig->model_count;
    record->question = e2b_lab_random_below(random, E2B_LAB_QUESTIONS);
    record->intended_ns = e2b_lab_rig_now_ns(run->rig) - run->zero_ns;
    return send(run, record, err);
}

static int64_t end_of(const struct run *run) {
    return run->zero_ns + run->load->warm_up_ns + run->load->duration_ns;
}

static void wait_for_client(struct run *run, struct e2b_ring *idle) {
    int64_t end_ns = end_of(run);
    if (run->rig->stand_in)
        e2b_lab_rig_pass(run->rig, end_ns, &run->answered, atomic_load(&run->answered) + 1);
    else
        e2b_ring_wait(idle, e2b_clock_ns() + end_ns - e2b_lab_rig_now_ns(run->rig));
}

/* Until the end, though some may be idle all the time. */
static void *send_again(void *context) {
    struct sender *sender = context;
    struct run *run = sender->run;
    struct e2b_ring *idle = run->idle[sender->number];
    struct e2b_lab_random random =
        e2b_lab_random_make(run->load->seed + (uint64_t)sender->number, "closed");
    int client;
    while (sender->err.status == E2B_OK && e2b_lab_rig_now_ns(run->rig) < end_of(run)) {
        if (e2b_ring_pop(idle, &client))
            send_for(run, client, &random, &sender->err);
        else
            wait_for_client(run, idle);
    }
    return NULL;
}

static enum e2b_status run_closed(struct run *run, struct e2b_error *err) {
    int clients = run->load->arrivals->clients, senders = sender_count(run);
    for (int i = 0; i < senders; i++, run->idle_count++) {
        run->idle[i] = e2b_ring_create((size_t)clients + 1, sizeof clients);
        if (!run->idle[i])
            return e2b_fail_memory(err, "clients");
    }
    run->zero_ns = e2b_lab_rig_now_ns(run->rig);
    for (int client = 0; client < clients; client++)
        e2b_ring_push(run->idle[client % senders], &client);
    return send_by(run, senders, send_again, err);
}

/* What it came to. */

static bool counts(const struct run *run, int64_t ns) {
    const struct e2b_lab_load *load = run->load;
    return ns >= load->warm_up_ns && ns < load->warm_up_ns + load->duration_ns;
}

static int64_t latency_of(const struct record *record) {
    return record->answered_ns - record->intended_ns;
}

static bool is_right(const struct record *record) {
    return record->status == E2B_OK && !record->wrong;
}

static bool is_late(const struct run *run, const struct record *record) {
    int64_t target_ns = run->rig->models[record->model].target_ns;
    return is_right(record) && target_ns > 0 && latency_of(record) > target_ns;
}

static void tally(const struct run *run, int model, int64_t *latencies, struct e2b_lab_tally *out) {
    for (int i = 0; i < run->count; i++) {
        const struct record *record = record_at(run, i);
        if ((model >= 0 && record->model != model) || !counts(run, record->intended_ns))
            continue;
        out->sent++;
        if (is_right(record))
            latencies[out->right++] = latency_of(record);
        out->late += is_late(run, record);
        out->refused += record->status == E2B_BUSY;
        out->hopeless += record->status == E2B_DEADLINE;
        out->wrong += record->wrong;
        out->failed += record->status != E2B_OK && record->status != E2B_BUSY
            && record->status != E2B_DEADLINE;
    }
    e2b_lab_latency_of(latencies, out->right, &out->latency);
}

static double violations_of(const struct e2b_lab_tally *tally) {
    return tally->sent ? 1 - (double)(tally->right - tally->late) / tally->sent : 0;
}

double e2b_lab_quantile_share(int index) {
    static const double last[] = {0.995, 0.999, 1};
    return index < 100 ? index / 100.0 : last[index - 100];
}

/* Means over the right ones, and the rates of the window. */
static void add_stages(const struct run *run, struct e2b_lab_outcome *out) {
    struct e2b_request_times sum = {0};
    int right = 0, good = 0, total = 0;
    for (int i = 0; i < run->count; i++) {
        const struct record *record = record_at(run, i);
        double lag_ms = (double)(record->sent_ns - record->intended_ns) / 1e6;
        out->mean_lag_ms += lag_ms / run->count;
        out->most_lag_ms = lag_ms > out->most_lag_ms ? lag_ms : out->most_lag_ms;
        right += is_right(record) && counts(run, record->answered_ns);
        good += is_right(record) && !is_late(run, record) && counts(run, record->answered_ns);
        if (!is_right(record) || !counts(run, record->intended_ns))
            continue;
        total++;
        sum.upload += record->times.upload;
        sum.wait += record->times.wait;
        sum.queue += record->times.queue;
        sum.compute += record->times.compute;
        sum.download += record->times.download;
    }
    double seconds = (double)run->load->duration_ns / 1e9, ms = total ? 1e-6 / total : 0;
    out->throughput_per_s = right / seconds;
    out->goodput_per_s = good / seconds;
    out->offered_per_s = out->all.sent / seconds;
    out->upload_ms = (double)sum.upload * ms;
    out->wait_ms = (double)sum.wait * ms;
    out->queue_ms = (double)sum.queue * ms;
    out->compute_ms = (double)sum.compute * ms;
    out->download_ms = (double)sum.download * ms;
}

static uint64_t hash_of(const struct run *run) {
    uint64_t hash = E2B_HASH_START;
    for (int i = 0; i < run->count; i++) {
        const struct record *record = record_at(run, i);
        int64_t fate[] = {record->model, (int64_t)record->status, latency_of(record)};
        hash = e2b_hash(hash, fate, sizeof fate);
    }
    return hash;
}

static enum e2b_status sum_up(
    const struct run *run, struct e2b_lab_outcome *out, struct e2b_error *err) {
    int64_t *latencies = malloc(((size_t)run->count + 1) * sizeof *latencies);
    if (!latencies)
        return e2b_fail_memory(err, "latencies");
    for (int model = 0; model < run->rig->model_count; model++) {
        tally(run, model, latencies, &out->models[model]);
        double violations = violations_of(&out->models[model]);
        out->worst_violations =
            violations > out->worst_violations ? violations : out->worst_violations;
    }
    tally(run, -1, latencies, &out->all);
    out->violations = violations_of(&out->all);
    for (int i = 0; i < E2B_LAB_QUANTILES; i++)
        out->quantile_ns[i] =
            e2b_lab_quantile(latencies, out->all.right, e2b_lab_quantile_share(i));
    add_stages(run, out);
    out->hash = hash_of(run);
    free(latencies);
    return E2B_OK;
}

/* sign -1 before the run and 1 after it. */
static void add_batches(
    const struct e2b_lab_rig *rig, int sign, struct e2b_lab_outcome *out, uint64_t *samples) {
    for (int model = 0; model < rig->model_count; model++) {
        struct e2b_served_stats stats;
        e2b_served_stats_get(rig->models[model].served, &stats);
        uint64_t factor = (uint64_t)sign; /* modulo 2^64 */
        out->batches += factor * stats.executions;
        out->padded_samples += factor * stats.padded_samples;
        *samples += factor * stats.samples;
        out->gaps += factor * stats.gaps;
        if (sign > 0 && stats.prediction.mean_error >= out->prediction.mean_error)
            out->prediction = stats.prediction;
        for (int i = 0; i < E2B_SCHED_MAX_SIZES; i++)
            out->batch_count[i] += factor * stats.batch_count[i];
    }
}

static enum e2b_status await_answers(struct run *run, struct e2b_error *err) {
    int64_t until_ns = run->rig->stand_in ? INT64_MAX : e2b_lab_rig_now_ns(run->rig) + PATIENCE_NS;
    int sent = atomic_load(&run->sent);
    e2b_lab_rig_pass(run->rig, until_ns, &run->answered, sent);
    int missing = sent - atomic_load(&run->answered);
    if (missing > 0)
        return e2b_fail(err, E2B_INTERNAL, "%d of %d requests were never answered", missing, sent);
    return E2B_OK;
}

enum e2b_status e2b_lab_run(struct e2b_lab_rig *rig, const struct e2b_lab_load *load,
    struct e2b_lab_outcome *out, struct e2b_error *err) {
    struct run run = {.rig = rig, .load = load};
    uint64_t samples = 0;
    memset(out, 0, sizeof *out);
    run.chunks = calloc(MOST_CHUNKS, sizeof *run.chunks);
    if (!run.chunks)
        return e2b_fail_memory(err, "requests");
    pthread_mutex_init(&run.lock, NULL);
    add_batches(rig, -1, out, &samples);
    struct e2b_error late = {0};
    if (start_reader(&run, err) == E2B_OK) {
        if (load->arrivals->kind == E2B_LAB_CLOSED)
            run_closed(&run, err);
        else
            run_open(&run, err);
    }
    /* Answers refer to the records: without them nothing can be freed. */
    bool complete = await_answers(&run, err->status == E2B_OK ? err : &late) == E2B_OK;
    if (complete)
        stop_reader(&run);
    add_batches(rig, 1, out, &samples);
    out->mean_batch = out->batches ? (double)samples / (double)out->batches : 0;
    if (err->status == E2B_OK)
        sum_up(&run, out, err);
    for (int i = 0; complete && i < MOST_CHUNKS && run.chunks[i]; i++)
        free(run.chunks[i]);
    if (complete) {
        free(run.chunks);
        for (int i = 0; i < run.idle_count; i++)
            e2b_ring_destroy(run.idle[i]);
        pthread_mutex_destroy(&run.lock);
    }
    return err->status;
}
