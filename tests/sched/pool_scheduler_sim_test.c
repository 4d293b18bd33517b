/* A million requests through slot pool, policy and simulated device, with withdrawals, faults and
 * leaps of the clock: every request is answered once, with its own answer, and no slot is lost. */
#include "backends/sim/sim.h"
#include "runtime/base/clock.h"
#include "runtime/pool/pool.h"
#include "sched/policy.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 96, SIZES = 5, INSTANCES = 6, MOST = 16, REQUESTS = SLOTS };

struct request {
    int slot;
    uint32_t question;
    int answers;
    bool ready, in_use;
};

struct lane {
    struct e2b_queue *queue;
    struct e2b_kernel *kernel;
    int size_index, instance, first, count;
    int64_t started_ns;
};

enum message_kind { UPLOADED, COMPUTED, COPIED };

struct message {
    enum message_kind kind;
    bool failed;
    void *subject; /* request of UPLOADED, batch of the others */
};

struct batch {
    struct service *service;
    struct lane *lane;
    int first, span, left; /* left: notifications to come */
    bool failed;
};

struct service {
    struct e2b_device *device;
    struct e2b_pool *pool;
    const struct e2b_policy_ops *ops;
    struct e2b_policy *policy;
    struct e2b_sched_actions actions;
    struct e2b_queue *uploads, *downloads;
    struct e2b_program *program;
    struct lane lanes[INSTANCES];
    int batch_of[SLOTS]; /* where the batch begins that a slot is part of, -1: of none */
    struct message mail[4096];
    int mail_count;
    int64_t timer_ns;
    uint64_t random;
    long opened, answered, right, failed, rejected, withdrawn, refused, batches, wraps, holes;
};

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = SLOTS,
    .size_count = SIZES,
    .sizes = {1, 2, 4, 8, 16},
    .instances = {2, 1, 1, 1, 1},
    .solo_ns = {1100, 1200, 1400, 1800, 2600},
    .weight = 1};

static int below(struct service *service, int limit) {
    service->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = service->random;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (int)((x ^ x >> 31) % (uint64_t)limit);
}

/* The network: answer = 3 x question + 1. Arguments: in, out, stride in words, first slot, size. */
static void compute(void *context, const struct e2b_sim_args *args) {
    (void)context;
    const uint32_t *in = args->list[0].buffer;
    uint32_t *out = args->list[1].buffer;
    int stride = e2b_sim_int(args, 2), first = e2b_sim_int(args, 3), size = e2b_sim_int(args, 4);
    for (int slot = first; slot < first + size; slot++)
        out[slot * stride] = 3 * in[slot * stride] + 1;
}

static int64_t cost(void *context, const struct e2b_sim_args *args) {
    (void)context;
    return 1000 + 100 * e2b_sim_int(args, 4) + 300 * args->running;
}

static void post(
    struct service *service, enum message_kind kind, enum e2b_event_state state, void *subject) {
    assert_true(service->mail_count < 4096);
    service->mail[service->mail_count++] =
        (struct message){kind, state == E2B_EVENT_FAILED, subject};
}

static struct service *the_service; /* of the notifications of uploads */

static void on_uploaded(void *request, enum e2b_event_state state) {
    post(the_service, UPLOADED, state, request);
}

static void on_computed(void *batch, enum e2b_event_state state) {
    post(((struct batch *)batch)->service, COMPUTED, state, batch);
}

static void on_copied(void *batch, enum e2b_event_state state) {
    post(((struct batch *)batch)->service, COPIED, state, batch);
}

static int64_t now_of(const struct service *service) {
    return service->device->ops->now_ns(service->device);
}

static void answer(struct service *service, int slot, long *kind) {
    struct request *request = e2b_pool_slot(service->pool, slot)->owner;
    assert_int_equal(request->slot, slot);
    assert_int_equal(++request->answers, 1);
    request->ready = false;
    request->in_use = false;
    service->answered++;
    ++*kind;
    e2b_pool_move(service->pool, slot, E2B_SLOT_FREE, now_of(service));
}

static void feed(struct service *service, struct e2b_sched_event event);

static int next_of(const struct service *service, const struct batch *batch, int from) {
    while (from < batch->first + batch->span && service->batch_of[from] != batch->first)
        from++;
    return from;
}

static void answer_batch(struct service *service, struct batch *batch) {
    int end = batch->first + batch->span;
    for (int slot = batch->first; slot < end; slot = next_of(service, batch, slot)) {
        service->batch_of[slot] = -1;
        struct request *request = e2b_pool_slot(service->pool, slot)->owner;
        if (!batch->failed) {
            uint32_t *out = e2b_pool_output_host(service->pool, slot, 0);
            assert_int_equal(*out, 3 * request->question + 1);
            e2b_pool_move(service->pool, slot, E2B_SLOT_DONE, now_of(service));
        }
        answer(service, slot, batch->failed ? &service->failed : &service->right);
    }
    free(batch);
}

static enum e2b_status download(struct service *service, struct batch *batch,
    struct e2b_event *copied[MOST], struct e2b_error *err) {
    int end = batch->first + batch->span, count = 0;
    for (int slot = batch->first; slot < end; slot = next_of(service, batch, slot + 1))
        if (e2b_pool_download(service->pool, slot, 1, service->downloads, &copied[count++], err)
            != E2B_OK)
            return err->status;
    batch->left = 1 + count;
    return E2B_OK;
}

static struct e2b_event *start(struct service *service, struct batch *batch,
    struct e2b_event *copied[MOST], struct e2b_error *err) {
    const struct e2b_device_ops *ops = service->device->ops;
    struct lane *lane = batch->lane;
    const size_t one[3] = {1, 1, 1}, any[3] = {0};
    int32_t first = batch->first;
    struct e2b_event *computed = NULL;
    if (ops->kernel_set_value(service->device, lane->kernel, 3, &first, 4, err) != E2B_OK
        || ops->enqueue_kernel(lane->queue, lane->kernel, one, any, &computed, err) != E2B_OK
        || ops->flush(lane->queue, err) != E2B_OK
        || ops->enqueue_wait(service->downloads, &computed, 1, err) != E2B_OK
        || download(service, batch, copied, err) != E2B_OK
        || ops->flush(service->downloads, err) != E2B_OK)
        return computed;
    assert_ok(ops->event_notify(computed, on_computed, batch, err), *err);
    for (int i = 0; i < MOST && copied[i]; i++)
        assert_ok(ops->event_notify(copied[i], on_copied, batch, err), *err);
    return computed;
}

static struct lane *find_lane(struct service *service, int size_index, int instance) {
    for (int i = 0; i < INSTANCES; i++)
        if (service->lanes[i].size_index == size_index && service->lanes[i].instance == instance)
            return &service->lanes[i];
    fail_msg("no instance %d of size %d", instance, model.sizes[size_index]);
    return NULL;
}

static void run(struct service *service, const struct e2b_sched_action *action) {
    const struct e2b_device_ops *ops = service->device->ops;
    struct e2b_error err = {0};
    struct e2b_event *copied[MOST] = {0};
    struct batch *batch = malloc(sizeof *batch);
    *batch = (struct batch){service, find_lane(service, action->size_index, action->instance),
        action->first, action->span, 0, false};
    batch->lane->started_ns = now_of(service);
    service->batches++;
    service->holes += action->span - action->count;
    int count = 0;
    for (int slot = action->first; slot < action->first + action->span; slot++) {
        const struct request *request = e2b_pool_slot(service->pool, slot)->owner;
        if (e2b_pool_slot(service->pool, slot)->state != E2B_SLOT_READY || !request->ready)
            continue;
        e2b_pool_move(service->pool, slot, E2B_SLOT_RUNNING, batch->lane->started_ns);
        service->batch_of[slot] = action->first;
        count++;
    }
    assert_int_equal(count, action->count);
    struct e2b_event *computed = start(service, batch, copied, &err);
    if (err.status != E2B_OK) { /* let the device let go of the slots, then answer */
        struct e2b_error ignored = {0};
        ops->finish(batch->lane->queue, &ignored);
        ops->finish(service->downloads, &ignored);
        batch->failed = true;
        answer_batch(service, batch);
        feed(service,
            (struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
                .size_index = action->size_index,
                .instance = action->instance});
    }
    ops->event_release(computed);
    for (int i = 0; i < MOST; i++)
        ops->event_release(copied[i]);
}

static void carry_out(struct service *service, const struct e2b_sched_action *action) {
    switch (action->kind) {
    case E2B_SCHED_RUN:
        run(service, action);
        break;
    case E2B_SCHED_REJECT:
        answer(service, action->first, &service->rejected);
        break;
    case E2B_SCHED_SET_TIMER:
        service->timer_ns = action->timer_ns;
        break;
    }
}

static void feed(struct service *service, struct e2b_sched_event event) {
    struct e2b_sched_actions actions = {0}; /* its own: carrying out may feed */
    event.now_ns = now_of(service);
    service->ops->on_event(service->policy, &event, &actions);
    for (int i = 0; i < actions.count; i++)
        carry_out(service, &actions.list[i]);
    e2b_sched_actions_finish(&actions);
}

static void uploaded(struct service *service, struct request *request, bool failed) {
    if (failed) {
        answer(service, request->slot, &service->failed);
        return;
    }
    e2b_pool_move(service->pool, request->slot, E2B_SLOT_READY, now_of(service));
    request->ready = true;
    feed(service,
        (struct e2b_sched_event){.kind = E2B_SCHED_READY,
            .slot = request->slot,
            .arrival_ns = e2b_pool_slot(service->pool, request->slot)->entered_ns[E2B_SLOT_FILLING],
            .deadline_ns = below(service, 4) ? INT64_MAX : now_of(service) + below(service, 20000),
            .priority = below(service, 3)});
}

static void computed(struct service *service, struct batch *batch) {
    int end = batch->first + batch->span;
    for (int slot = batch->first; slot < end; slot = next_of(service, batch, slot + 1))
        e2b_pool_move(service->pool, slot, E2B_SLOT_DRAINING, now_of(service));
    feed(service,
        (struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
            .size_index = batch->lane->size_index,
            .instance = batch->lane->instance,
            .duration_ns = now_of(service) - batch->lane->started_ns});
}

/* Handling may run the clock and so bring more mail: it is a queue that grows meanwhile. */
static void handle_mail(struct service *service) {
    for (int i = 0; i < service->mail_count; i++) {
        const struct message message = service->mail[i];
        struct batch *batch = message.subject;
        if (message.kind == UPLOADED) {
            uploaded(service, message.subject, message.failed);
            continue;
        }
        batch->failed |= message.failed;
        batch->left--;
        if (message.kind == COMPUTED)
            computed(service, batch);
        if (batch->left == 0)
            answer_batch(service, batch);
    }
    service->mail_count = 0;
}

static struct request *unused(struct request *requests) {
    for (int i = 0; i < REQUESTS; i++)
        if (!requests[i].in_use)
            return &requests[i];
    return NULL;
}

static void submit(struct service *service, struct request *requests) {
    const struct e2b_device_ops *ops = service->device->ops;
    struct request *request = unused(requests);
    struct e2b_error err = {0};
    struct e2b_event *event = NULL;
    int slot = -1;
    if (!request
        || e2b_pool_reserve(service->pool, 1, now_of(service), request, &slot, &err) != E2B_OK) {
        assert_true(!request || err.status == E2B_BUSY);
        service->refused++;
        return;
    }
    service->wraps += slot == 0;
    service->opened++;
    *request = (struct request){slot, (uint32_t)service->opened, 0, false, true};
    *(uint32_t *)e2b_pool_input_host(service->pool, slot, 0) = request->question;
    e2b_pool_move(service->pool, slot, E2B_SLOT_COPYING, now_of(service));
    if (e2b_pool_upload(service->pool, slot, 1, service->uploads, &event, &err) != E2B_OK) {
        answer(service, slot, &service->failed);
        return;
    }
    assert_ok(ops->flush(service->uploads, &err), err);
    assert_ok(ops->event_notify(event, on_uploaded, request, &err), err);
    ops->event_release(event);
}

static void withdraw(struct service *service, struct request *requests) {
    struct request *request = &requests[below(service, REQUESTS)];
    if (!request->in_use || !request->ready
        || e2b_pool_slot(service->pool, request->slot)->state != E2B_SLOT_READY)
        return;
    int slot = request->slot;
    request->ready = false;
    feed(service, (struct e2b_sched_event){.kind = E2B_SCHED_CANCELLED, .slot = slot});
    answer(service, slot, &service->withdrawn);
}

static void let_time_pass(struct service *service, int64_t until_ns) {
    for (;;) {
        int64_t next_ns = e2b_sim_next_ns(service->device);
        int64_t at_ns = next_ns < service->timer_ns ? next_ns : service->timer_ns;
        if (at_ns > until_ns)
            break;
        e2b_sim_advance(service->device, at_ns);
        handle_mail(service);
        if (now_of(service) >= service->timer_ns) {
            service->timer_ns = INT64_MAX;
            feed(service, (struct e2b_sched_event){.kind = E2B_SCHED_TIMER});
        }
    }
    e2b_sim_advance(service->device, until_ns);
    handle_mail(service);
}

static void make_lane(struct service *service, struct lane *lane, int size_index, int instance) {
    const struct e2b_device_ops *ops = service->device->ops;
    struct e2b_error err = {0};
    int32_t stride = (int32_t)(e2b_pool_input_stride(service->pool, 0) / 4), first = 0;
    int32_t size = model.sizes[size_index];
    *lane = (struct lane){.size_index = size_index, .instance = instance};
    assert_ok(ops->queue_create(service->device, &lane->queue, &err), err);
    assert_ok(
        ops->kernel_create(service->device, service->program, "compute", &lane->kernel, &err), err);
    assert_ok(ops->kernel_set_buffer(
                  service->device, lane->kernel, 0, e2b_pool_input_buffer(service->pool, 0), &err),
        err);
    assert_ok(ops->kernel_set_buffer(
                  service->device, lane->kernel, 1, e2b_pool_output_buffer(service->pool, 0), &err),
        err);
    assert_ok(ops->kernel_set_value(service->device, lane->kernel, 2, &stride, 4, &err), err);
    assert_ok(ops->kernel_set_value(service->device, lane->kernel, 3, &first, 4, &err), err);
    assert_ok(ops->kernel_set_value(service->device, lane->kernel, 4, &size, 4, &err), err);
}

static void open_service(struct service *service, const struct e2b_policy_ops *policy) {
    static const struct e2b_sim_kernel kernel = {.name = "compute", .run = compute, .cost = cost};
    const struct e2b_sim_options options = {
        .kernels = &kernel, .kernel_count = 1, .copy_ns = 150, .copy_bytes_per_ns = 1, .seed = 5};
    const struct e2b_source source = {"compute.cl", "", 0};
    const int64_t four = 4;
    const struct e2b_pool_spec spec = {SLOTS, 1, 1, &four, &four, 64, 0};
    struct e2b_error err = {0};
    int64_t values[16];
    int lane = 0;
    assert_ok(e2b_sim_create(&options, &service->device, &err), err);
    const struct e2b_device_ops *ops = service->device->ops;
    assert_ok(e2b_pool_create(service->device, &spec, &service->pool, &err), err);
    assert_ok(ops->queue_create(service->device, &service->uploads, &err), err);
    assert_ok(ops->queue_create(service->device, &service->downloads, &err), err);
    assert_ok(ops->program_build(service->device, &source, "", &service->program, &err), err);
    for (int i = 0; i < SIZES; i++)
        for (int j = 0; j < model.instances[i]; j++)
            make_lane(service, &service->lanes[lane++], i, j);
    for (int i = 0; policy->options && policy->options[i].name; i++)
        values[i] = strcmp(policy->options[i].name, "batch_timeout_micros") == 0
            ? 2
            : policy->options[i].fallback;
    service->ops = policy;
    assert_ok(policy->create(&model, 1, values, &service->policy, &err), err);
    service->timer_ns = INT64_MAX;
}

static void close_service(struct service *service) {
    const struct e2b_device_ops *ops = service->device->ops;
    service->ops->destroy(service->policy);
    for (int i = 0; i < INSTANCES; i++) {
        ops->kernel_destroy(service->device, service->lanes[i].kernel);
        ops->queue_destroy(service->device, service->lanes[i].queue);
    }
    ops->program_destroy(service->device, service->program);
    ops->queue_destroy(service->device, service->uploads);
    ops->queue_destroy(service->device, service->downloads);
    assert_int_equal(e2b_pool_free_count(service->pool), SLOTS);
    e2b_pool_destroy(service->pool);
    struct e2b_sim_objects left = e2b_sim_objects(service->device);
    assert_int_equal(left.buffers + left.queues + left.programs + left.kernels + left.events, 0);
    ops->destroy(service->device);
}

static void serve(const struct e2b_policy_ops *policy, long count, uint64_t seed) {
    static struct service service;
    static struct request requests[REQUESTS];
    print_message("%s seed %llu: ", policy->name, (unsigned long long)seed);
    memset(&service, 0, sizeof service);
    memset(requests, 0, sizeof requests);
    memset(service.batch_of, -1, sizeof service.batch_of);
    service.random = seed;
    the_service = &service;
    open_service(&service, policy);
    e2b_sim_fail_randomly(service.device, E2B_SIM_FAULT_ENQUEUE, 0.001);
    e2b_sim_fail_randomly(service.device, E2B_SIM_FAULT_EVENT, 0.001);
    int64_t start_ns = e2b_clock_ns();
    while (service.opened < count) {
        int wait = below(&service, 400);
        if (below(&service, 5000) == 0)
            wait = 1000000000; /* the clock leaps */
        let_time_pass(&service, now_of(&service) + wait);
        submit(&service, requests);
        if (below(&service, 10) == 0)
            withdraw(&service, requests);
    }
    while (e2b_sim_next_ns(service.device) != INT64_MAX || service.timer_ns != INT64_MAX)
        let_time_pass(&service, now_of(&service) + 1000000);
    print_message("%ld right, %ld failed, %ld rejected, %ld withdrawn, %ld refused, %ld batches, "
                  "%ld holes, %ld wraps, %.1f s\n",
        service.right, service.failed, service.rejected, service.withdrawn, service.refused,
        service.batches, service.holes, service.wraps, (double)(e2b_clock_ns() - start_ns) * 1e-9);
    assert_int_equal(service.answered, service.opened);
    assert_int_equal(
        service.answered, service.right + service.failed + service.rejected + service.withdrawn);
    assert_true(service.right > count / 2 && service.failed > 10 && service.withdrawn > 10);
    assert_true(service.wraps > 100);
    assert_true((service.holes > 100) == (strcmp(policy->name, "elastic") == 0));
    close_service(&service);
}

static void a_million_requests_are_answered_once(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
        for (uint64_t seed = 1; seed <= 2; seed++)
            serve(*all, 170000, seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_requests_are_answered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
