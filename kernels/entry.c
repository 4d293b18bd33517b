#include "kernels/entry.h"

#include "kernels/scan.h"

#include <string.h>

#define ATTRIBUTE "reqd_work_group_size"

bool e2b_entry_takes(const struct e2b_launch *launch) {
    return !launch->routine && !e2b_scan_owns_local(launch);
}

/* Whether the compiler is told the size of the kernel's groups. */
static bool tells_group(const struct e2b_launch *launch) {
    const char *text = launch->source->text;
    const char *name = e2b_scan_find_kernel(text, launch->kernel, NULL), *begin = text;
    for (const char *at = text; (at = strstr(at, "__kernel")) && at < name; at++)
        begin = at;
    const char *attribute = strstr(begin, ATTRIBUTE);
    return attribute && attribute < name;
}

static void add_word(const struct e2b_launch *launch, int arg, int buffer, struct e2b_text *out) {
    switch (launch->args[arg].kind) {
    case E2B_ARG_PACKED:
        e2b_text_add(out, ", (__global void *)(b%d + (size_t)words.w%d * %d)", buffer, arg,
            E2B_PACKED_ALIGN);
        break;
    case E2B_ARG_INT:
    case E2B_ARG_FLOAT:
        e2b_text_add(out, ", words.w%d", arg);
        break;
    default:
        e2b_text_add(out, ", (__global void *)b%d, words.w%d", buffer, arg);
        break;
    }
}

static void add_structure(const struct e2b_launch *launch, struct e2b_text *out) {
    e2b_text_add(out, "struct entry_words {");
    for (int i = 0; i < launch->arg_count; i++) {
        enum e2b_arg_kind kind = launch->args[i].kind;
        const char *type = kind == E2B_ARG_INT ? "int" : kind == E2B_ARG_FLOAT ? "float" : "uint";
        e2b_text_add(out, " %s w%d;", type, i);
    }
    e2b_text_add(out, " };\n");
}

static void add_kernel(
    const struct e2b_launch *launch, const int *buffers, int buffer_count, struct e2b_text *out) {
    const size_t *local = launch->local;
    e2b_text_add(out, "__kernel ");
    if (tells_group(launch))
        e2b_text_add(
            out, "__attribute__((" ATTRIBUTE "(%zu, %zu, %zu))) ", local[0], local[1], local[2]);
    e2b_text_add(out, "void " E2B_ENTRY_KERNEL "(");
    for (int i = 0; i < buffer_count; i++)
        e2b_text_add(out, "__global char *b%d, ", i);
    e2b_text_add(out, "struct entry_words words) {\n");
    if (launch->local_bytes)
        e2b_text_add(out, "__local uint4 memory[%zu] __attribute__((aligned(1024)));\n",
            (launch->local_bytes + 15) / 16);
    e2b_text_add(out, "%s(%s", launch->kernel, launch->local_bytes ? "memory" : "0");
    for (int i = 0; i < launch->arg_count; i++)
        add_word(launch, i, buffers[i], out);
    e2b_text_add(out, ");\n}\n");
}

void e2b_entry_text(const struct e2b_launch *launch, const int *buffers, int buffer_count,
    struct e2b_text *text, struct e2b_text *options) {
    struct e2b_scan scan = {
        .kernel = launch->kernel, .parameter = "__local uint4 *entry_memory, ", .out = text};
    e2b_text_add(text, "#define __kernel static inline\n#define " ATTRIBUTE "(x, y, z)\n");
    e2b_text_add(text, "#line 1 \"%s\"\n", launch->source->path);
    e2b_scan_text(&scan, launch->source->text);
    e2b_scan_finish(&scan);
    e2b_text_add(text, "\n#undef __kernel\n#undef " ATTRIBUTE "\n");
    add_structure(launch, text);
    add_kernel(launch, buffers, buffer_count, text);
    e2b_text_add(options, "%s -DENTRY", launch->options);
}
