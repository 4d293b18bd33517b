/* Tells when events end, each once, also when they fail. Two ways, by the device's profile: a
 * thread polls (for runtimes whose callbacks come late), or the runtime calls back and the thread
 * only looks now and then for failed events, of which some runtimes never tell. It sleeps while
 * nothing is pending. Who enqueues may poll instead of the thread: a driver has one lock, for which
 * two threads wait for each other longer than for what it guards. */
#ifndef E2B_BACKENDS_OPENCL_WAITER_H
#define E2B_BACKENDS_OPENCL_WAITER_H

#include "backends/device.h"
#include <CL/cl.h>

struct e2b_cl_waiter;

enum e2b_status e2b_cl_waiter_create(
    const char *pci_address, bool polls, struct e2b_cl_waiter **out, struct e2b_error *err);
/* Waits for what is pending. NULL is fine. */
void e2b_cl_waiter_destroy(struct e2b_cl_waiter *waiter);

/* done(context, state) is called once, from any thread. Retains the event. Of a queue's events
 * (NULL: of none) those that were added first are thought to end first. Any thread. */
enum e2b_status e2b_cl_waiter_add(struct e2b_cl_waiter *waiter, cl_event event,
    cl_command_queue queue, void (*done)(void *context, enum e2b_event_state state), void *context,
    struct e2b_error *err);

/* If it polls: the caller looks for what has ended, unless that was done just now, and the thread
 * does not for a while. Any thread. */
void e2b_cl_waiter_look(struct e2b_cl_waiter *waiter);

/* What an execution status means; a negative one or a failed query is FAILED, and *code says why.
 */
enum e2b_event_state e2b_cl_event_state_of(cl_event event, cl_int *code);

#endif
