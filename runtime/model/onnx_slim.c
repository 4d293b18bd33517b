#include "runtime/model/onnx_slim.h"

#define RAW_DATA 9
#define RAW_OFFSET 100001
#define RAW_BYTES 100002

enum wire { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };

/* The messages on the way from the model to an initializer, by the field that leads on. */
enum level { MODEL, GRAPH, TENSOR };
static const uint64_t leads_on[] = {[MODEL] = 7, [GRAPH] = 5};

struct file {
    const unsigned char *start;
    size_t large_bytes;
};

struct cursor {
    const unsigned char *at, *end;
};

struct field {
    uint64_t number;
    enum wire wire;
    const unsigned char *begin, *end; /* with its tag */
    const unsigned char *data;        /* DELIMITED: its content */
    size_t bytes;
};

static bool read_varint(struct cursor *cursor, uint64_t *out) {
    *out = 0;
    for (int shift = 0; shift < 70 && cursor->at < cursor->end; shift += 7) {
        unsigned char byte = *cursor->at++;
        if (shift < 64)
            *out |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return true;
    }
    return false;
}

static bool skip(struct cursor *cursor, uint64_t bytes) {
    if (bytes > (size_t)(cursor->end - cursor->at))
        return false;
    cursor->at += bytes;
    return true;
}

static bool read_content(struct cursor *cursor, struct field *out) {
    uint64_t value;
    switch (out->wire) {
    case VARINT:
        return read_varint(cursor, &value);
    case FIXED64:
        return skip(cursor, 8);
    case FIXED32:
        return skip(cursor, 4);
    case DELIMITED:
        if (!read_varint(cursor, &value))
            return false;
        out->data = cursor->at;
        out->bytes = (size_t)value;
        return skip(cursor, value);
    }
    return false;
}

static bool read_field(struct cursor *cursor, struct field *out) {
    uint64_t tag;
    *out = (struct field){.begin = cursor->at};
    if (!read_varint(cursor, &tag))
        return false;
    out->number = tag >> 3;
    out->wire = (enum wire)(tag & 7);
    bool whole = read_content(cursor, out);
    out->end = cursor->at;
    return whole;
}

static void add_varint(struct e2b_text *out, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    e2b_text_add_bytes(out, bytes, count);
}

static void add_number(struct e2b_text *out, uint64_t field, uint64_t value) {
    add_varint(out, field << 3 | VARINT);
    add_varint(out, value);
}

static bool slim_message(
    const struct file *file, const struct field *message, enum level level, struct e2b_text *out);

static bool slim_field(
    const struct file *file, const struct field *field, enum level level, struct e2b_text *out) {
    bool delimited = field->wire == DELIMITED;
    if (level == TENSOR && (field->number == RAW_OFFSET || field->number == RAW_BYTES))
        return true;
    if (level == TENSOR && delimited && field->number == RAW_DATA
        && field->bytes >= file->large_bytes) {
        add_number(out, RAW_OFFSET, (uint64_t)(field->data - file->start));
        add_number(out, RAW_BYTES, field->bytes);
    } else if (level != TENSOR && delimited && field->number == leads_on[level]) {
        struct e2b_text inner = {0};
        bool slimmed = slim_message(file, field, level + 1, &inner);
        add_varint(out, field->number << 3 | DELIMITED);
        add_varint(out, inner.len);
        if (inner.len)
            e2b_text_add_bytes(out, inner.data, inner.len);
        out->failed |= inner.failed;
        e2b_text_finish(&inner);
        return slimmed;
    } else {
        e2b_text_add_bytes(out, field->begin, (size_t)(field->end - field->begin));
    }
    return true;
}

static bool slim_message(
    const struct file *file, const struct field *message, enum level level, struct e2b_text *out) {
    struct cursor cursor = {message->data, message->data + message->bytes};
    while (cursor.at < cursor.end) {
        struct field field;
        if (!read_field(&cursor, &field) || !slim_field(file, &field, level, out))
            return false;
    }
    return true;
}

enum e2b_status e2b_onnx_slim(const void *bytes, size_t count, size_t large_bytes,
    struct e2b_text *out, struct e2b_error *err) {
    const struct file file = {bytes, large_bytes};
    const struct field whole = {.data = bytes, .bytes = count};
    if (!slim_message(&file, &whole, MODEL, out))
        return e2b_fail(err, E2B_INVALID, "not an ONNX model, or cut off (%zu bytes)", count);
    return out->failed ? e2b_fail_memory(err, "a model") : E2B_OK;
}
