#include "kernels/chain.h"

#include "kernels/scan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PTX_SM 70 /* that has fences */

extern const struct e2b_source e2b_source_prelude, e2b_source_chain;

bool e2b_chain_tells_times(const struct e2b_traits *traits) {
    return traits->ptx_sm >= PTX_SM;
}

#define LOCAL_OPTION "-DLOCAL_"

/* Options that are the same but for those of the size of local memory. */
static bool same_options(const char *a, const char *b) {
    while (*a || *b) {
        size_t length = strcspn(a, " "), other = strcspn(b, " ");
        bool both_local = !strncmp(a, LOCAL_OPTION, sizeof LOCAL_OPTION - 1)
            && !strncmp(b, LOCAL_OPTION, sizeof LOCAL_OPTION - 1);
        if (!both_local && (length != other || memcmp(a, b, length)))
            return false;
        a += length + strspn(a + length, " ");
        b += other + strspn(b + other, " ");
    }
    return true;
}

bool e2b_chain_same_function(const struct e2b_launch *a, const struct e2b_launch *b) {
    if (a->source != b->source || strcmp(a->kernel, b->kernel)
        || !same_options(a->options, b->options) || memcmp(a->local, b->local, sizeof a->local)
        || a->arg_count != b->arg_count)
        return false;
    for (int i = 0; i < a->arg_count; i++)
        if (a->args[i].kind != b->args[i].kind)
            return false;
    return true;
}

static size_t side(const struct e2b_launch *launch, int dimension) {
    return launch->local[dimension] > 1 ? launch->local[dimension] : 1;
}

static size_t items_of(const struct e2b_launch *launch) {
    return side(launch, 0) * side(launch, 1) * side(launch, 2);
}

/* Whether what is written at `at`, in a function that begins after `begin`, is of another kernel.
 */
static bool is_of_other_kernel(const char *begin, const char *at, const char *kernel) {
    const char *word = strstr(begin, "__kernel");
    return word && word < at && !e2b_scan_find_kernel(begin, kernel, at);
}

bool e2b_chain_has_barriers(const struct e2b_launch *launch) {
    const char *begin = launch->source->text, *at = begin;
    while ((at = strstr(at, "barrier("))) {
        for (const char *next; (next = strstr(begin, "\n}")) && next < at;)
            begin = next + 2;
        if (!is_of_other_kernel(begin, at, launch->kernel))
            return true;
        at++;
    }
    return false;
}

bool e2b_chain_takes(const struct e2b_launch *launch, size_t items) {
    bool fits = items_of(launch) == items || (items > 1 && !e2b_chain_has_barriers(launch));
    return fits && !e2b_scan_owns_local(launch);
}

static void for_words(const struct e2b_text *set, struct e2b_text *out,
    void (*print)(struct e2b_text *out, const char *word, int length, int number), int number) {
    for (const char *at = set->data; at && *at; at = strchr(at, '\n') + 1)
        print(out, at, (int)strcspn(at, "\n"), number);
}

static void print_undef(struct e2b_text *out, const char *word, int length, int number) {
    (void)number;
    e2b_text_add(out, "#undef %.*s\n", length, word);
}

static void print_renaming(struct e2b_text *out, const char *word, int length, int number) {
    e2b_text_add(out, "#define %.*s e%d_%.*s\n", length, word, number, length, word);
}

/* -DNAME=VALUE as a macro. */
static void add_options(struct e2b_scan *scan, const char *options, struct e2b_text *out) {
    for (const char *at = options; *at;) {
        at += strspn(at, " ");
        size_t length = strcspn(at, " "), name = e2b_scan_word(at + 2);
        if (!strncmp(at, "-D", 2)) {
            bool has_value = at[2 + name] == '=';
            e2b_scan_add_word(&scan->macros, at + 2, name);
            e2b_text_add(out, "#define %.*s %.*s\n", (int)name, at + 2,
                has_value ? (int)(length - name - 3) : 1, has_value ? at + name + 3 : "1");
        }
        at += length;
    }
}

/* The function as it is called, with what the table says of the stage. */
static void add_case(const struct e2b_launch *launch, int number, struct e2b_text *out) {
    e2b_text_add(out, "case %d:\n", number);
    if (!strstr(launch->source->text, "INPUTS_READY"))
        e2b_text_add(out, "chain_wait(place);\n");
    if (launch->jobs)
        e2b_text_add(out, "CHAIN_GROUP(");
    else
        e2b_text_add(out, "CHAIN_GROUPS(%zu, ", items_of(launch));
    e2b_text_add(out, "e%d_%s(place", number, launch->kernel);
    int at = E2B_CHAIN_ARGS;
    for (int i = 0; i < launch->arg_count; i++) {
        switch (launch->args[i].kind) {
        case E2B_ARG_INPUT:
        case E2B_ARG_OUTPUT:
        case E2B_ARG_SCRATCH:
            e2b_text_add(out,
                ", (__global void *)buffers[row[%d]], (uint)row[%d] + first * (uint)row[%d]", at,
                at + 1, at + 2);
            at += 3;
            break;
        case E2B_ARG_PACKED:
            e2b_text_add(out, ", (__global void *)(buffers[row[%d]] + (size_t)row[%d] * %d)", at,
                at + 1, E2B_PACKED_ALIGN);
            at += 2;
            break;
        case E2B_ARG_INT:
            e2b_text_add(out, ", row[%d]", at++);
            break;
        case E2B_ARG_FLOAT:
            e2b_text_add(out, ", as_float(row[%d])", at++);
            break;
        }
    }
    e2b_text_add(out, "))\n");
}

static void add_function_text(const struct e2b_launch *launch, int number, struct e2b_text *out) {
    struct e2b_text text = {0};
    struct e2b_scan scan = {
        .kernel = launch->kernel, .parameter = "struct chain_place chain_place, ", .out = &text};
    add_options(&scan, launch->options, out);
    e2b_scan_text(&scan, e2b_source_prelude.text);
    e2b_text_add(&text, "\n#line 1 \"%s\"\n", launch->source->path);
    e2b_scan_text(&scan, launch->source->text);
    for_words(&scan.names, out, print_renaming, number);
    e2b_text_add(out, "#define CHAIN_X %zu\n#define CHAIN_Y %zu\n#define CHAIN_Z %zu\n",
        side(launch, 0), side(launch, 1), side(launch, 2));
    e2b_text_add(out, "%s\n", text.data ? text.data : "");
    out->failed |= text.failed;
    for_words(&scan.macros, out, print_undef, number);
    for_words(&scan.names, out, print_undef, number);
    e2b_text_add(out, "#undef CHAIN_X\n#undef CHAIN_Y\n#undef CHAIN_Z\n");
    e2b_scan_finish(&scan);
    e2b_text_finish(&text);
}

static void add_kernel(const struct e2b_launch *const *functions, int function_count,
    int buffer_count, struct e2b_text *out) {
    e2b_text_add(out,
        "#undef __kernel\n#undef get_group_id\n#undef get_num_groups\n#undef restrict\n"
        "__kernel void " E2B_CHAIN_KERNEL "(__global const int *table, __global "
        "volatile uint *counters, uint counters_at, uint first");
    for (int i = 0; i < buffer_count; i++)
        e2b_text_add(out, ", __global char *b%d", i);
    e2b_text_add(out,
        ") {\n__global char *__local buffers[%d];\n__local struct chain_state state;\n"
        "#if CHAIN_ITEMS > 1\n__local uint4 memory[CHAIN_LOCAL_BYTES / 16] "
        "__attribute__((aligned(1024)));\n#endif\n"
        "if (chain_item() == 0) {\n",
        buffer_count);
    for (int i = 0; i < buffer_count; i++)
        e2b_text_add(out, "buffers[%d] = b%d;\n", i, i);
    e2b_text_add(out,
        "}\ncounters += counters_at;\nchain_enter(table, counters, &state);\n"
        "__local const int *row = state.row;\nstruct chain_at at = {.stage = -1};\n"
        "for (int waited = -1; chain_next(table, &state, &at); waited = at.stage) {\n"
        "const uint next = chain_ask(counters, &at);\n"
        "struct chain_place place = {.groups = {row[1], row[2], row[3]}, .item = chain_item(),\n"
        ".worker = get_group_id(0), .workers = get_num_groups(0),\n"
        ".waits = at.stage != waited && row[row[6]] > 0, .row = row, .counters = counters};\n"
        "#if CHAIN_ITEMS > 1\nplace.local_memory = memory;\n#endif\n"
        "CHAIN_BEGIN;\nswitch (row[0]) {\n");
    for (int i = 0; i < function_count; i++)
        add_case(functions[i], i, out);
    e2b_text_add(out,
        "}\nchain_done(counters, &state, &place, &at, next);\n}\nchain_leave(table, "
        "counters);\n}\n");
}

/* What is said to the compiler or about the whole program, not to the text: of numbers the largest.
 */
static void add_program_options(const struct e2b_launch *launch, struct e2b_text *options) {
    static const char target[] = "-DPTX_TARGET=";
    for (const char *at = launch->options; *at;) {
        at += strspn(at, " ");
        size_t length = strcspn(at, " "), name = strcspn(at, "= ");
        bool for_text = !strncmp(at, "-D", 2) && strncmp(at, target, sizeof target - 1);
        char option[64];
        snprintf(option, sizeof option, "%.*s", (int)name, at);
        char *same = for_text || !options->data ? NULL : strstr(options->data, option);
        if (!for_text && length && !same)
            e2b_text_add(options, "%.*s ", (int)length, at);
        else if (same && strtol(at + name + 1, NULL, 10) > strtol(same + name + 1, NULL, 10)
            && strcspn(same, " ") == length)
            memcpy(same, at, length);
        at += length;
    }
}

void e2b_chain_text(const struct e2b_traits *traits, const struct e2b_launch *const *functions,
    int function_count, int buffer_count, size_t items, struct e2b_text *text,
    struct e2b_text *options) {
    struct e2b_text unused = {0};
    struct e2b_scan prelude = {.out = &unused};
    size_t local_bytes = 16;
    e2b_scan_text(&prelude, e2b_source_prelude.text);
    for_words(&prelude.macros, text, print_undef, 0);
    e2b_scan_finish(&prelude);
    e2b_text_finish(&unused);
    for (int i = 0; i < function_count; i++) {
        add_program_options(functions[i], options);
        if (functions[i]->local_bytes > local_bytes)
            local_bytes = functions[i]->local_bytes;
    }
    e2b_text_add(text, "#define CHAIN_ITEMS %zu\n#define CHAIN_LOCAL_BYTES %zu\n%s%s", items,
        local_bytes, traits->ptx_sm >= PTX_SM ? "#define CHAIN_PTX\n" : "", e2b_source_chain.text);
    for (int i = 0; i < function_count; i++)
        add_function_text(functions[i], i, text);
    add_kernel(functions, function_count, buffer_count, text);
}
