#include "tests/sched/service.h"

#include "tests/sched/script.h"
#include "tests/support.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FLIGHTS = 128 };

enum slot { FREE, WAITING, RUNNING };

struct flight {
    int model, size_index, instance, first, span;
    int64_t started_ns;
    double left_ns; /* of device time alone */
};

struct model {
    const struct e2b_sched_model *spec;
    unsigned char *slots;
    int64_t *arrived_ns; /* by slot */
    int next_slot;
    int64_t *arrivals;
    long arrival_count, next_arrival;
    int64_t *latencies;
    long run, computed;
    struct e2b_service_result result;
};

struct service {
    const struct e2b_policy_ops *ops;
    const struct e2b_service_spec *spec;
    struct e2b_policy *policy;
    struct e2b_sched_actions actions;
    struct model models[E2B_SERVICE_MAX_MODELS];
    struct flight flights[MAX_FLIGHTS];
    int flight_count;
    double demand; /* of all flights */
    int64_t now_ns, timer_ns, ended_ns;
    uint64_t random;
    int bringing_model, bringing_slot; /* of the READY being fed, -1 */
};

static double next_random(uint64_t *state) {
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

int64_t *e2b_service_arrivals(const struct e2b_service_spec *spec, int model, long *count) {
    uint64_t random = spec->seed * 1000003 + (uint64_t)model;
    double mean_ns = 1e9 / spec->rates[model], at_ns = 0;
    long capacity = (long)(2 * (double)spec->seconds_ns / mean_ns) + 1000;
    int64_t *arrivals = malloc((size_t)capacity * sizeof *arrivals);
    assert_non_null(arrivals);
    for (*count = 0; *count < capacity; ++*count) {
        at_ns -= mean_ns * log(1 - next_random(&random));
        if (at_ns >= (double)spec->seconds_ns)
            break;
        arrivals[*count] = (int64_t)at_ns;
    }
    return arrivals;
}

static double slow_down(const struct service *service) {
    double closer = service->spec->closer > 0 ? service->spec->closer : 1;
    double demand = closer * service->demand;
    return service->flight_count > 1 && demand > 1 ? demand : 1;
}

static void pass(struct service *service, int64_t until_ns) {
    double done_ns = (double)(until_ns - service->now_ns) / slow_down(service);
    for (int i = 0; i < service->flight_count; i++)
        service->flights[i].left_ns -= done_ns;
    service->now_ns = until_ns;
}

static int64_t next_end(const struct service *service, int *index) {
    *index = -1;
    for (int i = 0; i < service->flight_count; i++)
        if (*index < 0 || service->flights[i].left_ns < service->flights[*index].left_ns)
            *index = i;
    if (*index < 0)
        return INT64_MAX;
    double left_ns = service->flights[*index].left_ns;
    return service->now_ns + (left_ns > 0 ? (int64_t)ceil(left_ns * slow_down(service)) : 0);
}

static void feed(struct service *service, struct e2b_sched_event event);

static void run(struct service *service, const struct e2b_sched_action *action) {
    struct model *model = &service->models[action->model];
    const struct e2b_service_spec *spec = service->spec;
    assert_true(service->flight_count < MAX_FLIGHTS);
    int count = 0;
    for (int slot = action->first; slot < action->first + action->span; slot++)
        if (model->slots[slot] == WAITING) {
            model->slots[slot] = RUNNING;
            count++;
        }
    assert_int_equal(count, action->count);
    double factor = (spec->slower > 0 ? spec->slower : 1)
        * (1 + spec->noise * (2 * next_random(&service->random) - 1));
    service->flights[service->flight_count++] = (struct flight){action->model, action->size_index,
        action->instance, action->first, action->span, service->now_ns,
        (double)model->spec->solo_ns[action->size_index] * factor};
    service->demand += model->spec->demand[action->size_index];
    model->result.batches++;
    model->run += action->count;
    model->computed += model->spec->sizes[action->size_index];
}

static void carry_out(struct service *service, const struct e2b_sched_action *action) {
    struct model *model = &service->models[action->model];
    switch (action->kind) {
    case E2B_SCHED_RUN:
        run(service, action);
        break;
    case E2B_SCHED_REJECT:
        assert_int_equal(model->slots[action->first], WAITING);
        model->slots[action->first] = FREE;
        if (action->model == service->bringing_model && action->first == service->bringing_slot) {
            model->result.refused++;
            model->next_slot = action->first;
        } else {
            model->result.dropped++;
        }
        break;
    case E2B_SCHED_SET_TIMER:
        service->timer_ns = action->timer_ns;
        break;
    }
}

static void feed(struct service *service, struct e2b_sched_event event) {
    event.now_ns = service->now_ns;
    service->actions.count = 0;
    service->ops->on_event(service->policy, &event, &service->actions);
    for (int i = 0; i < service->actions.count; i++)
        carry_out(service, &service->actions.list[i]);
}

static void arrive(struct service *service, int index) {
    struct model *model = &service->models[index];
    int count = model->spec->slot_count, slot = model->next_slot, looked = 0;
    model->next_arrival++;
    model->result.offered++;
    while (looked < count && model->slots[slot] != FREE) {
        slot = (slot + 1) % count;
        looked++;
    }
    if (looked == count) {
        model->result.turned_away++;
        return;
    }
    model->next_slot = (slot + 1) % count;
    model->slots[slot] = WAITING;
    model->arrived_ns[slot] = service->now_ns;
    service->bringing_model = index;
    service->bringing_slot = slot;
    feed(service,
        (struct e2b_sched_event){.kind = E2B_SCHED_READY,
            .model = index,
            .slot = slot,
            .arrival_ns = service->now_ns,
            .deadline_ns = INT64_MAX});
    service->bringing_model = service->bringing_slot = -1;
}

static void complete(struct service *service, int index) {
    const struct flight flight = service->flights[index];
    struct model *model = &service->models[flight.model];
    service->flights[index] = service->flights[--service->flight_count];
    service->demand = 0;
    for (int i = 0; i < service->flight_count; i++)
        service->demand +=
            service->models[service->flights[i].model].spec->demand[service->flights[i].size_index];
    for (int slot = flight.first; slot < flight.first + flight.span; slot++) {
        if (model->slots[slot] != RUNNING)
            continue;
        int64_t latency_ns = service->now_ns - model->arrived_ns[slot];
        model->latencies[model->result.answered++] = latency_ns;
        model->result.in_target +=
            model->spec->target_ns == 0 || latency_ns <= model->spec->target_ns;
        model->slots[slot] = FREE;
    }
    service->ended_ns = service->now_ns;
    feed(service,
        (struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
            .model = flight.model,
            .size_index = flight.size_index,
            .instance = flight.instance,
            .duration_ns = service->now_ns - flight.started_ns});
}

static int64_t next_arrival(const struct service *service, int *index) {
    int64_t next_ns = INT64_MAX;
    for (int i = 0; i < service->spec->model_count; i++) {
        const struct model *model = &service->models[i];
        if (model->next_arrival == model->arrival_count
            || model->arrivals[model->next_arrival] >= next_ns)
            continue;
        next_ns = model->arrivals[model->next_arrival];
        *index = i;
    }
    return next_ns;
}

static bool step(struct service *service) {
    int arriving = -1, ending;
    int64_t arrival_ns = next_arrival(service, &arriving), end_ns = next_end(service, &ending);
    int64_t timer_ns = service->timer_ns > service->now_ns ? service->timer_ns : service->now_ns;
    if (end_ns <= arrival_ns && end_ns <= timer_ns && ending >= 0) {
        pass(service, end_ns);
        complete(service, ending);
    } else if (arrival_ns <= timer_ns && arriving >= 0) {
        pass(service, arrival_ns);
        arrive(service, arriving);
    } else if (service->timer_ns != INT64_MAX) {
        pass(service, timer_ns);
        service->timer_ns = INT64_MAX;
        feed(service, (struct e2b_sched_event){.kind = E2B_SCHED_TIMER});
    } else {
        return false;
    }
    return true;
}

static int compare_times(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct e2b_service_result summary(struct service *service, struct model *model) {
    struct e2b_service_result result = model->result;
    double sum_ns = 0;
    for (long i = 0; i < result.answered; i++)
        sum_ns += (double)model->latencies[i];
    qsort(model->latencies, (size_t)result.answered, sizeof *model->latencies, compare_times);
    if (result.answered > 0) {
        result.mean_ns = sum_ns / (double)result.answered;
        result.p99_ns = model->latencies[result.answered * 99 / 100];
        result.max_ns = model->latencies[result.answered - 1];
        result.throughput =
            (double)result.answered * 1e9 / (double)(service->ended_ns - model->arrivals[0]);
        result.padded = 1 - (double)model->run / (double)model->computed;
    }
    assert_int_equal(
        result.offered, result.answered + result.refused + result.dropped + result.turned_away);
    return result;
}

void e2b_service_play(const struct e2b_policy_ops *ops, const struct e2b_service_spec *spec,
    struct e2b_service_result results[E2B_SERVICE_MAX_MODELS]) {
    struct service service = {.ops = ops,
        .spec = spec,
        .timer_ns = INT64_MAX,
        .random = spec->seed + 17,
        .bringing_model = -1,
        .bringing_slot = -1};
    service.policy = e2b_script_policy(ops, spec->models, spec->model_count, spec->policy_options);
    for (int i = 0; i < spec->model_count; i++) {
        struct model *model = &service.models[i];
        size_t slots = (size_t)spec->models[i].slot_count;
        model->spec = &spec->models[i];
        model->slots = calloc(slots, 1);
        model->arrived_ns = calloc(slots, sizeof *model->arrived_ns);
        model->arrivals = e2b_service_arrivals(spec, i, &model->arrival_count);
        model->latencies = calloc((size_t)model->arrival_count + 1, sizeof *model->latencies);
        assert_true(model->slots && model->arrived_ns && model->latencies);
    }
    while (step(&service))
        ;
    for (int i = 0; i < spec->model_count; i++) {
        struct model *model = &service.models[i];
        results[i] = summary(&service, model);
        free(model->slots);
        free(model->arrived_ns);
        free(model->arrivals);
        free(model->latencies);
    }
    ops->destroy(service.policy);
    e2b_sched_actions_finish(&service.actions);
}
