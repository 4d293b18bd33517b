#include "runtime/server/body.h"

#include "runtime/server/json_tensor.h"

#include <string.h>

void e2b_body_init(struct e2b_body *body, const struct e2b_signature *signature,
    const struct e2b_body_sink *sink, size_t head_bytes, size_t total_bytes) {
    *body = (struct e2b_body){
        .signature = signature,
        .sink = *sink,
        .head_bytes = head_bytes,
        .total_bytes = total_bytes,
    };
}

void e2b_body_finish(struct e2b_body *body) {
    e2b_text_finish(&body->head);
    e2b_infer_finish(&body->infer);
}

static const struct e2b_io *input_io(const struct e2b_body *body, int input) {
    return &body->signature->inputs[body->infer.inputs[input].index];
}

struct place {
    struct e2b_body *body;
    int index;
};

static void *sample_memory(void *context, int sample) {
    const struct place *place = context;
    return place->body->sink.input(place->body->sink.context, sample, place->index);
}

static enum e2b_status take_json_inputs(struct e2b_body *body, struct e2b_error *err) {
    for (int i = 0; i < body->infer.input_count; i++) {
        const struct e2b_infer_input *input = &body->infer.inputs[i];
        const struct e2b_io *io = input_io(body, i);
        if (!input->data)
            continue;
        struct place place = {body, input->index};
        const struct e2b_json_sink sink = {
            .name = io->name,
            .dtype = io->dtype,
            .samples = body->infer.samples,
            .sample_count = e2b_signature_sample_count(body->signature, io),
            .memory = sample_memory,
            .context = &place,
        };
        if (e2b_json_read(input->data, &sink, err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status check_lengths(const struct e2b_body *body, struct e2b_error *err) {
    if (body->infer.binary_bytes > 0 && body->head_bytes == E2B_BODY_ALL_HEAD)
        return e2b_fail(err, E2B_INVALID,
            "binary inputs need the header Inference-Header-Content-Length, the length of the "
            "JSON");
    if (body->head_bytes == E2B_BODY_ALL_HEAD || body->total_bytes == E2B_BODY_UNKNOWN)
        return E2B_OK;
    size_t expected = body->head_bytes + body->infer.binary_bytes;
    if (body->total_bytes != expected)
        return e2b_fail(err, E2B_INVALID,
            "Content-Length is %zu, JSON and binary inputs together have %zu bytes",
            body->total_bytes, expected);
    return E2B_OK;
}

/* Move to the next sample that binary data goes to; false at the end. */
static bool next_sample(struct e2b_body *body) {
    if (body->memory && ++body->sample == body->infer.samples) {
        body->sample = 0;
        body->input++;
    }
    body->memory = NULL;
    while (body->input < body->infer.input_count && body->infer.inputs[body->input].data)
        body->input++;
    if (body->input == body->infer.input_count)
        return false;
    body->memory =
        body->sink.input(body->sink.context, body->sample, body->infer.inputs[body->input].index);
    body->left_in_sample = e2b_signature_sample_bytes(body->signature, input_io(body, body->input));
    return true;
}

static enum e2b_status begin(struct e2b_body *body, struct e2b_error *err) {
    enum e2b_status status = body->head_bytes == 0
        ? e2b_infer_raw(body->signature, &body->infer, err)
        : e2b_infer_parse(body->signature, body->head.data ? body->head.data : "", body->head.len,
            &body->infer, err);
    if (status != E2B_OK || check_lengths(body, err) != E2B_OK
        || body->sink.open(body->sink.context, body->infer.samples, err) != E2B_OK)
        return err->status;
    body->begun = true;
    return take_json_inputs(body, err);
}

static enum e2b_status feed_head(
    struct e2b_body *body, const void *data, size_t bytes, struct e2b_error *err) {
    e2b_text_add_bytes(&body->head, data, bytes);
    if (body->head.failed)
        return e2b_fail_memory(err, "the request's JSON");
    return E2B_OK;
}

static enum e2b_status feed_samples(
    struct e2b_body *body, const unsigned char *data, size_t bytes, struct e2b_error *err) {
    while (bytes > 0) {
        if (body->left_in_sample == 0 && !next_sample(body))
            return e2b_fail(err, E2B_INVALID, "%zu or more bytes follow the last input", bytes);
        size_t take = bytes < body->left_in_sample ? bytes : body->left_in_sample;
        memcpy(body->memory, data, take);
        body->memory += take;
        body->left_in_sample -= take;
        data += take;
        bytes -= take;
    }
    return E2B_OK;
}

enum e2b_status e2b_body_feed(
    struct e2b_body *body, const void *data, size_t bytes, struct e2b_error *err) {
    size_t wanted = body->begun ? 0 : body->head_bytes - body->head.len;
    size_t head = bytes < wanted ? bytes : wanted;
    if (head > 0 && feed_head(body, data, head, err) != E2B_OK)
        return err->status;
    if (!body->begun && body->head.len == body->head_bytes && begin(body, err) != E2B_OK)
        return err->status;
    return feed_samples(body, (const unsigned char *)data + head, bytes - head, err);
}

enum e2b_status e2b_body_end(struct e2b_body *body, struct e2b_error *err) {
    bool all_head = body->head_bytes == E2B_BODY_ALL_HEAD;
    if (!body->begun && !all_head && body->head.len < body->head_bytes)
        return e2b_fail(err, E2B_INVALID,
            "Inference-Header-Content-Length is %zu, the body has %zu bytes", body->head_bytes,
            body->head.len);
    if (!body->begun && begin(body, err) != E2B_OK)
        return err->status;
    if (body->left_in_sample > 0 || next_sample(body))
        return e2b_fail(err, E2B_INVALID, "the body ends before the data of input \"%.100s\" does",
            input_io(body, body->input)->name);
    return E2B_OK;
}
