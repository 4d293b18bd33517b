/* A request as the engine sees it. Its fields belong to the client until submit, to the dispatcher
 * until the answer, then to the client again. Internal to the engine. */
#ifndef E2B_ENGINE_REQUEST_H
#define E2B_ENGINE_REQUEST_H

#include "runtime/engine/served.h"

struct e2b_request {
    struct e2b_served *served;
    int sample_count;
    atomic_int references; /* the client, and a message that asks to cancel */
    atomic_bool cancel_asked;
    struct e2b_request_options options;
    void (*done)(void *context, struct e2b_request *request, const struct e2b_error *err);
    void *context;
    int unanswered; /* samples still on their way; 0 before submit and after the answer */
    bool withdrawn; /* samples that do not run yet shall not */
    struct e2b_request *next, **link; /* in the dispatcher's list */
    int unsent, uploading; /* samples whose copy to the device has not begun; not ended */
    struct e2b_request *next_unsent, **unsent_link; /* in the list of e2b_uploads */
    struct e2b_error error;                         /* first failure of a sample */
    struct e2b_request_times times;
    int slots[]; /* one a sample; -1 once given back */
};

/* Take a slot away from the request and free it. now_ns: the device's clock. */
void e2b_request_give_back(struct e2b_request *request, int slot, int64_t now_ns);

void e2b_request_release(struct e2b_request *request); /* drops a reference */

#endif
