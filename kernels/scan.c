#include "kernels/scan.h"

#include <ctype.h>
#include <string.h>

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
const char *e2b_scan_find_kernel(const char *at, const char *name, const char *end) {
    size_t length = strlen(name);
    while ((at = strstr(at, name)) && (!end || at < end)) {
        if (at[length] == '(' && at[-1] == ' ')
            return at;
        at += length;
    }
    return NULL;
}

bool e2b_scan_owns_local(const struct e2b_launch *launch) {
    const char *at = e2b_scan_find_kernel(launch->source->text, launch->kernel, NULL);
    return !at || declares_local(at, strstr(at, "\n}"));
}

/* Words, each ended by a newline, each once. */
static bool has_word(const struct e2b_text *set, const char *word, size_t length) {
    for (const char *at = set->data; at && *at; at = strchr(at, '\n') + 1)
        if (strcspn(at, "\n") == length && !strncmp(at, word, length))
            return true;
    return false;
}

void e2b_scan_add_word(struct e2b_text *set, const char *word, size_t length) {
    if (length && !has_word(set, word, length))
        e2b_text_add(set, "%.*s\n", (int)length, word);
}

size_t e2b_scan_word(const char *at) {
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

static void scan_directive(struct e2b_scan *scan) {
    const char *end = directive_end(scan->at), *at = skip_spaces(scan->at + 1);
    if (!strncmp(at, "define", 6)) {
        at = skip_spaces(at + 6);
        size_t length = e2b_scan_word(at);
        e2b_scan_add_word(&scan->macros, at, length);
        const char *body = at + length;
        if (*body == ' ') {
            body = skip_spaces(body);
            size_t word = e2b_scan_word(body);
            if (word && body + word == end)
                e2b_text_add(&scan->aliases, "%.*s %.*s\n", (int)length, at, (int)word, body);
        }
    }
    scan->at = end;
}

static bool add_aliased(struct e2b_scan *scan, const char *word, size_t length) {
    bool found = false;
    const char *at = scan->aliases.data;
    for (; at && *at; at = strchr(at, '\n') + 1)
        if (!strncmp(at, word, length) && at[length] == ' ') {
            e2b_scan_add_word(&scan->names, at + length + 1, strcspn(at + length + 1, "\n"));
            found = true;
        }
    return found;
}

/* A function's name, a macro that stands for one, or one that defines the function it is given. */
static void add_function(struct e2b_scan *scan, const char *word, size_t length, const char *open) {
    if (add_aliased(scan, word, length))
        return;
    if (has_word(&scan->macros, word, length)) {
        word = skip_spaces(open + 1);
        length = e2b_scan_word(word);
    }
    e2b_scan_add_word(&scan->names, word, length);
}

/* At a kernel's name: it gets one more parameter, or is left out up to its end. */
static void scan_kernel(struct e2b_scan *scan, const char *name, size_t length, const char *open) {
    bool wanted = strlen(scan->kernel) == length && !strncmp(name, scan->kernel, length);
    const char *until = wanted ? open + 1 : scan->kernel_at;
    e2b_text_add_bytes(scan->out, scan->copied, (size_t)(until - scan->copied));
    if (wanted)
        e2b_text_add(scan->out, "%s", scan->parameter);
    scan->copied = until;
    scan->dropping = !wanted;
    scan->kernel_at = NULL;
}

static void scan_word(struct e2b_scan *scan) {
    const char *word = scan->at;
    size_t length = e2b_scan_word(word);
    scan->at += length;
    if (scan->braces || scan->parens)
        return;
    const char *next = skip_spaces(scan->at);
    bool is_attribute = length == 13 && !strncmp(word, "__attribute__", length);
    if (scan->after_struct && *next == '{')
        e2b_scan_add_word(&scan->names, word, length);
    scan->after_struct = length == 6 && !strncmp(word, "struct", length);
    if (length == 8 && !strncmp(word, "__kernel", length)) {
        scan->kernel_at = word;
    } else if (*next == '(' && !is_attribute) {
        add_function(scan, word, length, next);
        if (scan->kernel_at)
            scan_kernel(scan, word, length, next);
    }
}

static void scan_sign(struct e2b_scan *scan, const char *begin) {
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

void e2b_scan_text(struct e2b_scan *scan, const char *text) {
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
        } else if (e2b_scan_word(scan->at)) {
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

void e2b_scan_finish(struct e2b_scan *scan) {
    e2b_text_finish(&scan->macros);
    e2b_text_finish(&scan->aliases);
    e2b_text_finish(&scan->names);
}

