/* Inputs on their way to the device, by a queue of their own. Slots that lie side by side travel as
 * one copy: each costs the thread that enqueues as much as some launches do, and the device a time
 * before its first byte. So on a device with engines for copies few are under way at a time, and
 * after each one the thread has twice the time that it took for something else, 0.2 ms at most, unless as many wait
 * as may go together; what is submitted meanwhile goes together. Where copies take turns with kernels, all
 * go at once, or what one batch keeps from coming would miss the next. Internal to the engine; the
 * dispatcher's thread. */
#ifndef E2B_ENGINE_UPLOADS_H
#define E2B_ENGINE_UPLOADS_H

#include "runtime/engine/request.h"
#include "runtime/engine/trace.h"

struct e2b_uploads {
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct e2b_trace *trace;   /* NULL: none */
    struct e2b_request *first; /* in order: those of which some samples are unsent */
    struct e2b_request **end;  /* of that list */
    int under_way, most;       /* copies */
    int64_t next_ns;           /* before, none of a few slots is started */
    void (*notify)(void *upload, enum e2b_event_state state); /* by the device's threads; short */
    void (*arrived)(struct e2b_request *request); /* all its inputs; or one failed, see its error */
};

/* device, trace, notify and arrived are set. */
enum e2b_status e2b_uploads_init(struct e2b_uploads *uploads, struct e2b_error *err);
void e2b_uploads_finish(struct e2b_uploads *uploads); /* nothing is under way */

/* The request's slots are COPYING. */
void e2b_uploads_add(struct e2b_uploads *uploads, struct e2b_request *request);
/* Start as many copies as may be under way now, of those that were added first and their
 * neighbours. Whether any was to be started. */
bool e2b_uploads_send(struct e2b_uploads *uploads);
/* When the next copy may be started, by the device's clock; INT64_MAX: not before one has ended, or
 * there is none. */
int64_t e2b_uploads_next_ns(const struct e2b_uploads *uploads);
/* What notify told. */
void e2b_uploads_ended(
    struct e2b_uploads *uploads, struct e2b_upload *upload, enum e2b_event_state state);

#endif
