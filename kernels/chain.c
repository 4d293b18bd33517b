#include "kernels/chain.h"

#include <assert.h>
#include <ctype.h>
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

/* Whether text up to `end` declares local memory, not only pointers to it. */
static bool declares_local(const char *at, const char *end) {
    while ((at = strstr(at, "__local")) && (!end || at < end)) {
        at += strcspn(at, "*[;=,)");
        if (*at != '*')
            return true;
    }
    return false;
}

/* Where a kernel's name stands before its parameters, up to `end`. */
static const char *find_kernel(const char *at, const char *name, const char *end) {
    size_t length = strlen(name);
    while ((at = strstr(at, name)) && (!end || at < end)) {
        if (at[length] == '(' && at[-1] == ' ')
            return at;
        at += length;
    }
    return NULL;
}

/* Whether what is written at `at`, in a function that begins after `begin`, is of another kernel.
 */
static bool is_of_other_kernel(const char *begin, const char *at, const char *kernel) {
    const char *word = strstr(begin, "__kernel");
    return word && word < at && !find_kernel(begin, kernel, at);
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
    const char *at = find_kernel(launch->source->text, launch->kernel, NULL);
    bool fits = items_of(launch) == items || (items > 1 && !e2b_chain_has_barriers(launch));
    return at && fits && !declares_local(at, strstr(at, "\n}"));
}

/* Words, each ended by a newline, each once. */
static bool has_word(const struct e2b_text *set, const char *word, size_t length) {
    for (const char *at = set->data; at && *at; at = strchr(at, '\n') + 1)
        if (strcspn(at, "\n") == length && !strncmp(at, word, length))
            return true;
    return false;
}

static void add_word(struct e2b_text *set, const char *word, size_t length) {
    if (length && !has_word(set, word, length))
        e2b_text_add(set, "%.*s\n", (int)length, word);
}

/* Names that a source defines, found by its text: kernels, functions, structs and macros. */
struct scan {
    const char *at, *copied;
    int braces, parens;
    const char *kernel, *kernel_at; /* the one kernel that is kept; where the word __kernel was */
    bool dropping, after_struct;
    struct e2b_text macros, aliases, names; /* aliases: macro, space, the one word it stands for */
    struct e2b_text *out;
};

static size_t word_length(const char *at) {
    size_t length = 0;
    if (isalpha((unsigned char)*at) || *at == '_')
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
    return length;
}

static const char *skip_spaces(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || (*at == '\\' && at[1] == '\n'))
        at++;
    return at;
}

static const char *directive_end(const char *at) {
    while (*at && !(*at == '\n' && at[-1] != '\\'))
        at++;
    return at;
}

static void scan_directive(struct scan *scan) {
    const char *end = directive_end(scan->at), *at = skip_spaces(scan->at + 1);
    if (!strncmp(at, "define", 6)) {
        at = skip_spaces(at + 6);
        size_t length = word_length(at);
        add_word(&scan->macros, at, length);
        const char *body = at + length;
        if (*body == ' ') {
            body = skip_spaces(body);
            size_t word = word_length(body);
            if (word && body + word == end)
                e2b_text_add(&scan->aliases, "%.*s %.*s\n", (int)length, at, (int)word, body);
        }
    }
    scan->at = end;
}

static bool add_aliased(struct scan *scan, const char *word, size_t length) {
    bool found = false;
    const char *at = scan->aliases.data;
    for (; at && *at; at = strchr(at, '\n') + 1)
        if (!strncmp(at, word, length) && at[length] == ' ') {
            add_word(&scan->names, at + length + 1, strcspn(at + length + 1, "\n"));
            found = true;
        }
    return found;
}

/* A function's name, a macro that stands for one, or one that defines the function it is given. */
static void add_function(struct scan *scan, const char *word, size_t length, const char *open) {
    if (add_aliased(scan, word, length))
        return;
    if (has_word(&scan->macros, word, length)) {
        word = skip_spaces(open + 1);
        length = word_length(word);
    }
    add_word(&scan->names, word, length);
}

/* At a kernel's name: it gets one more parameter, or is left out up to its end. */
static void scan_kernel(struct scan *scan, const char *name, size_t length, const char *open) {
    bool wanted = strlen(scan->kernel) == length && !strncmp(name, scan->kernel, length);
    const char *until = wanted ? open + 1 : scan->kernel_at;
    e2b_text_add_bytes(scan->out, scan->copied, (size_t)(until - scan->copied));
    if (wanted)
        e2b_text_add(scan->out, "struct chain_place chain_place, ");
    scan->copied = until;
    scan->dropping = !wanted;
    scan->kernel_at = NULL;
}

static void scan_word(struct scan *scan) {
    const char *word = scan->at;
    size_t length = word_length(word);
    scan->at += length;
    if (scan->braces || scan->parens)
        return;
    const char *next = skip_spaces(scan->at);
    bool is_attribute = length == 13 && !strncmp(word, "__attribute__", length);
    if (scan->after_struct && *next == '{')
        add_word(&scan->names, word, length);
    scan->after_struct = length == 6 && !strncmp(word, "struct", length);
    if (length == 8 && !strncmp(word, "__kernel", length)) {
        scan->kernel_at = word;
    } else if (*next == '(' && !is_attribute) {
        add_function(scan, word, length, next);
        if (scan->kernel_at)
            scan_kernel(scan, word, length, next);
    }
}

static void scan_sign(struct scan *scan, const char *begin) {
    switch (*scan->at) {
    case '{':
        scan->braces++;
        break;
    case '}':
        scan->braces = scan->at == begin || scan->at[-1] == '\n' ? 0 : scan->braces - 1;
        scan->parens = scan->braces == 0 ? 0 : scan->parens;
        if (scan->braces == 0 && scan->dropping) {
            scan->copied = scan->at + 1;
            scan->dropping = false;
        }
        break;
    case '(':
        scan->parens++;
        break;
    case ')':
        scan->parens--;
        break;
    default:
        break;
    }
    scan->at++;
}

static void scan_text(struct scan *scan, const char *text) {
    bool line_start = true;
    scan->at = scan->copied = text;
    scan->braces = scan->parens = 0;
    while (*scan->at) {
        if (line_start && *scan->at == '#') {
            scan_directive(scan);
        } else if (!strncmp(scan->at, "/*", 2)) {
            const char *end = strstr(scan->at + 2, "*/");
            scan->at = end ? end + 2 : scan->at + strlen(scan->at);
        } else if (*scan->at == '"') {
            do
                scan->at += *scan->at == '\\' && scan->at[1] ? 2 : 1;
            while (*scan->at && *scan->at != '"');
            scan->at += *scan->at == '"';
        } else if (word_length(scan->at)) {
            scan_word(scan);
        } else if (isdigit((unsigned char)*scan->at)) {
            while (isalnum((unsigned char)*scan->at) || *scan->at == '_')
                scan->at++;
        } else {
            line_start = (line_start && *scan->at == ' ') || *scan->at == '\n';
            scan_sign(scan, text);
            continue;
        }
        line_start = false;
    }
    e2b_text_add(scan->out, "%s", scan->copied);
}

static void scan_finish(struct scan *scan) {
    e2b_text_finish(&scan->macros);
    e2b_text_finish(&scan->aliases);
    e2b_text_finish(&scan->names);
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
static void add_options(struct scan *scan, const char *options, struct e2b_text *out) {
    for (const char *at = options; *at;) {
        at += strspn(at, " ");
        size_t length = strcspn(at, " "), name = word_length(at + 2);
        if (!strncmp(at, "-D", 2)) {
            bool has_value = at[2 + name] == '=';
            add_word(&scan->macros, at + 2, name);
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
                at + 1, E2B_CHAIN_ALIGN);
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
    struct scan scan = {.kernel = launch->kernel, .out = &text};
    add_options(&scan, launch->options, out);
    scan_text(&scan, e2b_source_prelude.text);
    e2b_text_add(&text, "\n#line 1 \"%s\"\n", launch->source->path);
    scan_text(&scan, launch->source->text);
    for_words(&scan.names, out, print_renaming, number);
    e2b_text_add(out, "#define CHAIN_X %zu\n#define CHAIN_Y %zu\n#define CHAIN_Z %zu\n",
        side(launch, 0), side(launch, 1), side(launch, 2));
    e2b_text_add(out, "%s\n", text.data ? text.data : "");
    out->failed |= text.failed;
    for_words(&scan.macros, out, print_undef, number);
    for_words(&scan.names, out, print_undef, number);
    e2b_text_add(out, "#undef CHAIN_X\n#undef CHAIN_Y\n#undef CHAIN_Z\n");
    scan_finish(&scan);
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
    struct scan prelude = {.out = &unused};
    size_t local_bytes = 16;
    scan_text(&prelude, e2b_source_prelude.text);
    for_words(&prelude.macros, text, print_undef, 0);
    scan_finish(&prelude);
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
