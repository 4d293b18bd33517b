#include "runtime/server/answer.h"

#include "runtime/server/json_tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    const struct e2b_signature *signature;
    const struct e2b_infer *infer;
    const struct e2b_labels *labels;
    const struct e2b_answer_source *source;
    struct e2b_text *out;
    struct e2b_text classes; /* of one output: each a NUL-terminated string */
    struct e2b_error *err;
};

enum e2b_status e2b_answer_check(
    const struct e2b_signature *signature, const struct e2b_infer *infer, struct e2b_error *err) {
    for (int i = 0; i < infer->output_count; i++) {
        const struct e2b_io *io = &signature->outputs[infer->outputs[i].index];
        if (infer->outputs[i].classes == 0)
            continue;
        if (signature->max_batch == 0 || io->dtype == E2B_BOOL || io->shape.rank < 2)
            return e2b_fail(err, E2B_INVALID,
                "output \"%.100s\" cannot be classified: it must be numbers, N x classes",
                io->name);
    }
    return E2B_OK;
}

/* Best first; of equal scores the smaller index first; NaN never. */
static int pick_best(const double *scores, int64_t count, int wanted, int64_t *best) {
    int found = 0;
    for (int64_t i = 0; i < count; i++) {
        if (isnan(scores[i]) || (found == wanted && scores[i] <= scores[best[found - 1]]))
            continue;
        int at = found < wanted ? found++ : found - 1;
        for (; at > 0 && scores[i] > scores[best[at - 1]]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
    return found;
}

static void add_class(struct encoder *encoder, double score, int64_t index) {
    const struct e2b_labels *labels = encoder->labels;
    e2b_text_add(&encoder->classes, "%f:%lld", score, (long long)index);
    if (labels && index < labels->count)
        e2b_text_add(&encoder->classes, ":%s", labels->names[index]);
    e2b_text_add_bytes(&encoder->classes, "", 1);
}

static enum e2b_status classify_sample(
    struct encoder *encoder, const struct e2b_infer_output *output, int wanted, int sample) {
    const struct e2b_io *io = &encoder->signature->outputs[output->index];
    int64_t count = e2b_signature_sample_count(encoder->signature, io);
    double *scores = malloc((size_t)count * sizeof *scores);
    int64_t *best = malloc((size_t)wanted * sizeof *best);
    if (scores && best) {
        e2b_to_double(io->dtype,
            encoder->source->output(encoder->source->context, sample, output->index), scores,
            count);
        int found = pick_best(scores, count, wanted, best);
        for (int i = 0; i < found; i++)
            add_class(encoder, scores[best[i]], best[i]);
        for (int i = found; i < wanted; i++) /* all the rest is NaN: keep the shape */
            add_class(encoder, NAN, i);
    }
    free(best);
    bool failed = !scores;
    free(scores);
    if (failed || encoder->classes.failed)
        return e2b_fail_memory(encoder->err, "the classes");
    return E2B_OK;
}

static int class_count(const struct encoder *encoder, const struct e2b_infer_output *output) {
    const struct e2b_io *io = &encoder->signature->outputs[output->index];
    int64_t count = e2b_signature_sample_count(encoder->signature, io);
    return count < output->classes ? (int)count : output->classes;
}

static enum e2b_status classify(struct encoder *encoder, const struct e2b_infer_output *output) {
    e2b_text_finish(&encoder->classes);
    for (int sample = 0; sample < encoder->infer->samples; sample++)
        if (classify_sample(encoder, output, class_count(encoder, output), sample) != E2B_OK)
            return encoder->err->status;
    return E2B_OK;
}

static void add_shape(struct encoder *encoder, const struct e2b_infer_output *output) {
    const struct e2b_io *io = &encoder->signature->outputs[output->index];
    struct e2b_shape shape = io->shape;
    if (encoder->signature->max_batch > 0)
        shape.dims[0] = encoder->infer->samples;
    if (output->classes > 0) {
        shape.rank = 2;
        shape.dims[1] = class_count(encoder, output);
    }
    e2b_text_add(encoder->out, "\"shape\":[");
    for (int i = 0; i < shape.rank; i++)
        e2b_text_add(encoder->out, "%s%lld", i ? "," : "", (long long)shape.dims[i]);
    e2b_text_add(encoder->out, "]");
}

static size_t class_bytes(const struct encoder *encoder) {
    size_t bytes = 0;
    const char *end = encoder->classes.data + encoder->classes.len;
    for (const char *at = encoder->classes.data; at < end; at += strlen(at) + 1)
        bytes += sizeof(uint32_t) + strlen(at);
    return bytes;
}

static void add_class_data(struct encoder *encoder) {
    const char *end = encoder->classes.data + encoder->classes.len;
    for (const char *at = encoder->classes.data; at < end; at += strlen(at) + 1) {
        if (at != encoder->classes.data)
            e2b_text_add(encoder->out, ",");
        e2b_json_write_string(encoder->out, at);
    }
}

static void add_tensor_data(struct encoder *encoder, const struct e2b_infer_output *output) {
    const struct e2b_io *io = &encoder->signature->outputs[output->index];
    for (int sample = 0; sample < encoder->infer->samples; sample++) {
        if (sample > 0)
            e2b_text_add(encoder->out, ",");
        e2b_json_write(encoder->out, io->dtype,
            encoder->source->output(encoder->source->context, sample, output->index),
            e2b_signature_sample_count(encoder->signature, io));
    }
}

static size_t tensor_bytes(const struct encoder *encoder, const struct e2b_infer_output *output) {
    return (size_t)encoder->infer->samples
        * e2b_signature_sample_bytes(
            encoder->signature, &encoder->signature->outputs[output->index]);
}

static enum e2b_status add_output_head(
    struct encoder *encoder, const struct e2b_infer_output *output) {
    const struct e2b_io *io = &encoder->signature->outputs[output->index];
    if (output->classes > 0 && classify(encoder, output) != E2B_OK)
        return encoder->err->status;
    e2b_text_add(encoder->out, "{\"name\":");
    e2b_json_write_string(encoder->out, io->name);
    e2b_text_add(encoder->out, ",\"datatype\":\"%s\",",
        output->classes > 0 ? "BYTES" : e2b_dtype_name(io->dtype));
    add_shape(encoder, output);
    if (output->binary) {
        e2b_text_add(encoder->out, ",\"parameters\":{\"binary_data_size\":%zu}}",
            output->classes > 0 ? class_bytes(encoder) : tensor_bytes(encoder, output));
        return E2B_OK;
    }
    e2b_text_add(encoder->out, ",\"data\":[");
    if (output->classes > 0)
        add_class_data(encoder);
    else
        add_tensor_data(encoder, output);
    e2b_text_add(encoder->out, "]}");
    return E2B_OK;
}

static enum e2b_status add_head(struct encoder *encoder) {
    e2b_text_add(encoder->out, "{\"model_name\":");
    e2b_json_write_string(encoder->out, encoder->signature->name);
    e2b_text_add(encoder->out, ",\"model_version\":");
    e2b_json_write_string(encoder->out, encoder->signature->version);
    if (*encoder->infer->id) {
        e2b_text_add(encoder->out, ",\"id\":");
        e2b_json_write_string(encoder->out, encoder->infer->id);
    }
    e2b_text_add(encoder->out, ",\"outputs\":[");
    for (int i = 0; i < encoder->infer->output_count; i++) {
        if (i > 0)
            e2b_text_add(encoder->out, ",");
        if (add_output_head(encoder, &encoder->infer->outputs[i]) != E2B_OK)
            return encoder->err->status;
    }
    e2b_text_add(encoder->out, "]}");
    return E2B_OK;
}

static void add_binary_classes(struct encoder *encoder) {
    const char *end = encoder->classes.data + encoder->classes.len;
    for (const char *at = encoder->classes.data; at < end; at += strlen(at) + 1) {
        uint32_t length = (uint32_t)strlen(at);
        e2b_text_add_bytes(encoder->out, &length, sizeof length);
        e2b_text_add_bytes(encoder->out, at, length);
    }
}

static enum e2b_status add_binary(struct encoder *encoder) {
    for (int i = 0; i < encoder->infer->output_count; i++) {
        const struct e2b_infer_output *output = &encoder->infer->outputs[i];
        const struct e2b_io *io = &encoder->signature->outputs[output->index];
        if (!output->binary)
            continue;
        if (output->classes > 0) {
            if (classify(encoder, output) != E2B_OK)
                return encoder->err->status;
            add_binary_classes(encoder);
            continue;
        }
        for (int sample = 0; sample < encoder->infer->samples; sample++)
            e2b_text_add_bytes(encoder->out,
                encoder->source->output(encoder->source->context, sample, output->index),
                e2b_signature_sample_bytes(encoder->signature, io));
    }
    return E2B_OK;
}

enum e2b_status e2b_answer_encode(const struct e2b_signature *signature,
    const struct e2b_infer *infer, const struct e2b_labels *labels,
    const struct e2b_answer_source *source, struct e2b_text *out, size_t *head_bytes,
    struct e2b_error *err) {
    struct encoder encoder = {
        .signature = signature,
        .infer = infer,
        .labels = labels,
        .source = source,
        .out = out,
        .err = err,
    };
    bool binary = false;
    for (int i = 0; i < infer->output_count; i++)
        binary |= infer->outputs[i].binary;
    *head_bytes = 0;
    enum e2b_status status = add_head(&encoder);
    if (status == E2B_OK && binary) {
        *head_bytes = out->len;
        status = add_binary(&encoder);
    }
    e2b_text_finish(&encoder.classes);
    if (status == E2B_OK && out->failed)
        return e2b_fail_memory(err, "the answer");
    return status;
}

void e2b_answer_error(struct e2b_text *out, const char *message) {
    e2b_text_add(out, "{\"error\":");
    e2b_json_write_string(out, message);
    e2b_text_add(out, "}");
}
