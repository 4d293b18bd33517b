#include "runtime/server/inference.h"

#include "runtime/base/clock.h"

#include <string.h>

static enum e2b_status open_slots(void *context, int samples, struct e2b_error *err) {
    struct e2b_inference *inference = context;
    if (e2b_answer_check(&inference->model->signature, &inference->body.infer, err) != E2B_OK)
        return err->status;
    return e2b_request_open(inference->model->entry.served, samples, &inference->request, err);
}

static void *slot_input(void *context, int sample, int input) {
    struct e2b_inference *inference = context;
    return e2b_request_input(inference->request, sample, input, NULL);
}

static const void *slot_output(void *context, int sample, int output) {
    const struct e2b_inference *inference = context;
    return e2b_request_output(inference->request, sample, output, NULL);
}

enum e2b_status e2b_inference_init(struct e2b_inference *inference, struct e2b_catalog_model *model,
    const struct e2b_inference_form *form, struct e2b_error *err) {
    const struct e2b_body_sink sink = {inference, open_slots, slot_input};
    *inference = (struct e2b_inference){.model = model, .form = *form};
    e2b_body_init(&inference->body, &model->signature, &sink, form->head_bytes, form->total_bytes);
    if (form->image && model->image.width == 0)
        return e2b_fail(err, E2B_INVALID,
            "model \"%s\" takes no images: send a tensor as the protocol says",
            model->signature.name);
    return E2B_OK;
}

void e2b_inference_finish(struct e2b_inference *inference) {
    e2b_request_close(inference->request);
    inference->request = NULL;
    e2b_text_finish(&inference->image);
    e2b_body_finish(&inference->body);
}

static enum e2b_status check_time(const struct e2b_inference *inference, struct e2b_error *err) {
    int64_t deadline = inference->form.deadline_ns;
    if (deadline == 0 || e2b_clock_ns() < deadline)
        return E2B_OK;
    return e2b_fail(err, E2B_DEADLINE, "the body took longer to arrive than the %lld ms allowed",
        (long long)((deadline - inference->form.arrival_ns) / 1000000));
}

enum e2b_status e2b_inference_feed(
    struct e2b_inference *inference, const void *data, size_t bytes, struct e2b_error *err) {
    if (check_time(inference, err) != E2B_OK)
        return err->status;
    if (!inference->form.image)
        return e2b_body_feed(&inference->body, data, bytes, err);
    e2b_text_add_bytes(&inference->image, data, bytes);
    return inference->image.failed ? e2b_fail_memory(err, "the image") : E2B_OK;
}

/* Decoded before slots are taken: a bad image holds none. */
static enum e2b_status take_image(struct e2b_inference *inference, struct e2b_error *err) {
    const struct e2b_catalog_model *model = inference->model;
    struct e2b_image image = {0};
    e2b_infer_plain(&model->signature, inference->form.top, &inference->body.infer);
    if (e2b_image_decode(inference->image.data, inference->image.len, &model->image, &image, err)
            == E2B_OK
        && open_slots(inference, 1, err) == E2B_OK)
        e2b_image_fit(
            &image, &model->image, slot_input(inference, 0, model->entry.image_input), err);
    e2b_image_finish(&image);
    e2b_text_finish(&inference->image);
    return err->status;
}

static void answered(void *context, struct e2b_request *request, const struct e2b_error *err) {
    struct e2b_inference *inference = context;
    (void)request;
    if (err)
        inference->outcome = *err;
    inference->done(inference->context);
}

enum e2b_status e2b_inference_end(struct e2b_inference *inference, struct e2b_error *err) {
    return inference->form.image ? take_image(inference, err) : e2b_body_end(&inference->body, err);
}

void e2b_inference_submit(
    struct e2b_inference *inference, void (*done)(void *context), void *context) {
    const struct e2b_infer *infer = &inference->body.infer;
    struct e2b_request_options options = {
        .arrival_ns = inference->form.arrival_ns,
        .deadline_ns = inference->form.deadline_ns,
        .priority = infer->priority > 0 ? infer->priority : inference->model->entry.priority,
    };
    if (infer->timeout_us > 0)
        options.deadline_ns = options.arrival_ns + infer->timeout_us * 1000;
    inference->done = done;
    inference->context = context;
    e2b_request_submit(inference->request, &options, answered, inference);
}

static void record(struct e2b_catalog_model *model, const struct e2b_request_times *times) {
    e2b_histogram_add(&model->request, times->total);
    e2b_histogram_add(&model->wait, times->wait);
    e2b_histogram_add(&model->compute, times->compute);
}

enum e2b_status e2b_inference_answer(struct e2b_inference *inference, struct e2b_text *out,
    size_t *head_bytes, struct e2b_request_times *times, struct e2b_error *err) {
    const struct e2b_answer_source source = {inference, slot_output};
    if (inference->outcome.status != E2B_OK) {
        *err = inference->outcome;
    } else {
        e2b_request_times(inference->request, times);
        e2b_answer_encode(&inference->model->signature, &inference->body.infer,
            &inference->model->entry.labels, &source, out, head_bytes, err);
        record(inference->model, times);
    }
    e2b_request_close(inference->request);
    inference->request = NULL;
    return err->status;
}
