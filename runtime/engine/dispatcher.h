/* The one thread that owns a device's scheduling state and all its enqueues. It takes messages from
 * clients and from the device's notifications, feeds them to the policy as events and carries out
 * the policy's decisions. Internal to the engine. */
#ifndef E2B_ENGINE_DISPATCHER_H
#define E2B_ENGINE_DISPATCHER_H

#include "runtime/engine/served.h"
#include "runtime/engine/trace.h"

struct e2b_dispatcher;

struct e2b_dispatcher_spec {
    struct e2b_device *device;
    struct e2b_served *const *models; /* numbered as the policy names them */
    int model_count;
    const struct e2b_policy_ops *policy;
    const int64_t *policy_values; /* one an option of the policy */
    bool manual;                  /* no thread: e2b_dispatcher_step is called instead */
    struct e2b_trace *trace;      /* NULL: none */
    bool gather;                  /* see struct e2b_engine_options */
};

enum e2b_status e2b_dispatcher_create(
    const struct e2b_dispatcher_spec *spec, struct e2b_dispatcher **out, struct e2b_error *err);
void e2b_dispatcher_destroy(struct e2b_dispatcher *dispatcher); /* nothing is in flight */

/* Any thread. False before start (NULL) and once it drains. */
bool e2b_dispatcher_accepts(const struct e2b_dispatcher *dispatcher);
void e2b_dispatcher_submit(struct e2b_dispatcher *dispatcher, struct e2b_request *request);
/* False when too many such wishes are under way; it is not a duty. */
bool e2b_dispatcher_cancel(struct e2b_dispatcher *dispatcher, struct e2b_request *request);

/* Accept no more, wait until all is answered; what has not started by timeout_ns from now is
 * answered CANCELLED. A manual one does not wait: the caller steps on. */
void e2b_dispatcher_drain(struct e2b_dispatcher *dispatcher, int64_t timeout_ns);
int e2b_dispatcher_in_flight(const struct e2b_dispatcher *dispatcher);
/* Any thread. Predicted time until all that waits and runs has ended, 0 where nothing is predicted.
 * NULL is fine. */
int64_t e2b_dispatcher_drain_ns(const struct e2b_dispatcher *dispatcher);

/* Manual: handle what has happened. Returns the device time of the next timer or INT64_MAX. */
int64_t e2b_dispatcher_step(struct e2b_dispatcher *dispatcher);

#endif
