/* Tells when events end, each once, also when they fail. Two ways, by the device's profile: a
 * thread polls (for runtimes whose callbacks come late), or the runtime calls back and the thread
 * only looks now and then for failed events, of which some runtimes never tell. It sleeps while
 * nothing is pending. */
#ifndef E2B_BACKENDS_OPENCL_WAITER_H
#define E2B_BACKENDS_OPENCL_WAITER_H

#include "backends/device.h"
#include <CL/cl.h>

struct e2b_cl_waiter;

enum e2b_status e2b_cl_waiter_create(
    const char *pci_address, bool polls, struct e2b_cl_waiter **out, struct e2b_error *err);
/* Waits for what is pending. NULL is fine. */
void e2b_cl_waiter_destroy(struct e2b_cl_waiter *waiter);

/* done(context, state) is called once, from any thread. Retains the event. Any thread. */
enum e2b_status e2b_cl_waiter_add(struct e2b_cl_waiter *waiter, cl_event event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err);

/* What an execution status means; a negative one or a failed query is FAILED, and *code says why.
 */
enum e2b_event_state e2b_cl_event_state_of(cl_event event, cl_int *code);

#endif
