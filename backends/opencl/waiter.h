/* A thread that looks after pending events and tells when one ended: for runtimes whose callbacks
 * come late. It polls while anything is pending and sleeps otherwise. */
#ifndef E2B_BACKENDS_OPENCL_WAITER_H
#define E2B_BACKENDS_OPENCL_WAITER_H

#include "backends/device.h"
#include <CL/cl.h>

struct e2b_cl_waiter;

enum e2b_status e2b_cl_waiter_create(
    const char *pci_address, struct e2b_cl_waiter **out, struct e2b_error *err);
/* Waits for what is pending. */
void e2b_cl_waiter_destroy(struct e2b_cl_waiter *waiter);

/* done(context, state) is called once, by the thread. Retains the event. Any thread. */
enum e2b_status e2b_cl_waiter_add(struct e2b_cl_waiter *waiter, cl_event event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err);

/* What an execution status means; a negative one or a failed query is FAILED. */
enum e2b_event_state e2b_cl_event_state_of(cl_event event, cl_int *code);

#endif
