#include "tools/e2bird/npy.h"

#include "runtime/base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6
#define ALIGN 64

static const char *const descriptions[E2B_DTYPE_COUNT] = {[E2B_F32] = "<f4",
    [E2B_F16] = "<f2",
    [E2B_F64] = "<f8",
    [E2B_U8] = "|u1",
    [E2B_I8] = "|i1",
    [E2B_I32] = "<i4",
    [E2B_I64] = "<i8",
    [E2B_BOOL] = "|b1"};

/* Points header at the text of the header, a copy for the caller to free, and fills data. */
static enum e2b_status split(
    const char *path, struct npy *npy, char **header, struct e2b_error *err) {
    const unsigned char *bytes = npy->file.data;
    if (npy->file.bytes < 12 || memcmp(bytes, MAGIC, MAGIC_BYTES) || bytes[6] < 1 || bytes[6] > 3)
        return e2b_fail(
            err, E2B_INVALID, "%s is not an array in .npy format, version 1 to 3", path);
    size_t start = bytes[6] == 1 ? 10 : 12;
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > npy->file.bytes - start)
        return e2b_fail(err, E2B_INVALID, "%s ends inside its header", path);
    *header = strndup((const char *)bytes + start, length);
    if (!*header)
        return e2b_fail_memory(err, "an array");
    npy->data = bytes + start + length;
    npy->bytes = npy->file.bytes - start - length;
    return E2B_OK;
}

static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    at = at ? strchr(at, ':') : NULL;
    return at ? at + 1 + strspn(at + 1, " ") : NULL;
}

static enum e2b_dtype dtype_of(const char *text) {
    for (int i = 0; i < E2B_DTYPE_COUNT; i++)
        if (descriptions[i] && !strncmp(text + 1, descriptions[i], 3) && text[4] == text[0])
            return (enum e2b_dtype)i;
    return E2B_NONE;
}

static bool read_shape(const char *text, struct e2b_shape *shape) {
    if (*text++ != '(')
        return false;
    for (;;) {
        text += strspn(text, " ,");
        if (*text == ')')
            return true;
        char *end;
        long long dim = strtoll(text, &end, 10);
        if (end == text || dim < 0 || dim > INT32_MAX || shape->rank == E2B_MAX_RANK)
            return false;
        shape->dims[shape->rank++] = dim;
        text = end;
    }
}

static enum e2b_status understand(
    const char *path, const char *header, struct npy *npy, struct e2b_error *err) {
    const char *dtype = value_of(header, "'descr'"), *shape = value_of(header, "'shape'");
    const char *fortran = value_of(header, "'fortran_order'");
    npy->dtype = dtype ? dtype_of(dtype) : E2B_NONE;
    if (npy->dtype == E2B_NONE)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: this element type is not supported: use little-endian f2 f4 f8 i1 i4 i8 u1 or b1",
            path);
    if (!fortran || strncmp(fortran, "False", 5))
        return e2b_fail(
            err, E2B_UNSUPPORTED, "%s is not in C order: save numpy.ascontiguousarray(it)", path);
    if (!shape || !read_shape(shape, &npy->shape))
        return e2b_fail(err, E2B_INVALID, "%s: shape is not up to %d numbers", path, E2B_MAX_RANK);
    double count = 1;
    for (int i = 0; i < npy->shape.rank; i++)
        count *= (double)npy->shape.dims[i];
    double expected = count * (double)e2b_dtype_bytes(npy->dtype);
    if (expected != (double)npy->bytes)
        return e2b_fail(err, E2B_INVALID, "%s holds %zu bytes of data, its header tells of %.0f",
            path, npy->bytes, expected);
    return E2B_OK;
}

enum e2b_status npy_read(const char *path, struct npy *out, struct e2b_error *err) {
    char *header = NULL;
    memset(out, 0, sizeof *out);
    if (e2b_file_map(path, &out->file, err) != E2B_OK)
        return err->status;
    if (split(path, out, &header, err) == E2B_OK)
        understand(path, header, out, err);
    free(header);
    if (err->status != E2B_OK)
        npy_finish(out);
    return err->status;
}

void npy_finish(struct npy *array) {
    e2b_file_unmap(&array->file);
    memset(array, 0, sizeof *array);
}

enum e2b_status npy_write(const char *path, enum e2b_dtype dtype, const struct e2b_shape *shape,
    const void *data, struct e2b_error *err) {
    struct e2b_text header = {0}, file = {0};
    e2b_text_add(
        &header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descriptions[dtype]);
    for (int i = 0; i < shape->rank; i++)
        e2b_text_add(&header, "%" PRId64 ",", shape->dims[i]);
    e2b_text_add(&header, "), }");
    size_t padding = ALIGN - (10 + header.len + 1) % ALIGN;
    e2b_text_add(&header, "%*s\n", (int)padding, "");
    const unsigned char length[2] = {(unsigned char)header.len, (unsigned char)(header.len >> 8)};
    e2b_text_add_bytes(&file, MAGIC "\x01\x00", MAGIC_BYTES + 2);
    e2b_text_add_bytes(&file, length, sizeof length);
    if (!header.failed)
        e2b_text_add_bytes(&file, header.data, header.len);
    e2b_text_add_bytes(&file, data, (size_t)e2b_shape_count(shape) * e2b_dtype_bytes(dtype));
    if (header.failed || file.failed)
        e2b_fail_memory(err, "an array");
    else
        e2b_file_replace(path, file.data, file.len, err);
    e2b_text_finish(&header);
    e2b_text_finish(&file);
    return err->status;
}
