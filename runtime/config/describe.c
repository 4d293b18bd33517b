#include "runtime/config/config.h"

#include "runtime/config/options.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* How a heading and an option look; values and default are short texts. */
struct format {
    void (*heading)(struct e2b_text *out, const char *path, const char *help);
    void (*begin)(struct e2b_text *out); /* before the first option, if there is one */
    void (*option)(struct e2b_text *out, const char *name, const char *values, const char *fallback,
        const char *help);
};

static void help_heading(struct e2b_text *out, const char *path, const char *help) {
    e2b_text_add(out, "\n%s: %s\n", path, help);
}

static void help_option(struct e2b_text *out, const char *name, const char *values,
    const char *fallback, const char *help) {
    e2b_text_add(out, "  %s (%s; %s)\n      %s\n", name, values, fallback, help);
}

static void help_begin(struct e2b_text *out) {
    (void)out;
}

static void document_heading(struct e2b_text *out, const char *path, const char *help) {
    e2b_text_add(out, "\n## %s\n\n%c%s.\n", path, toupper((unsigned char)help[0]), help + 1);
}

static void document_begin(struct e2b_text *out) {
    e2b_text_add(out, "\n| Option | Values | Default | Meaning |\n|-|-|-|-|\n");
}

static void document_option(struct e2b_text *out, const char *name, const char *values,
    const char *fallback, const char *help) {
    e2b_text_add(out, "| `%s` | %s | %s | %s |\n", name, values, fallback, help);
}

static const struct format help_format = {help_heading, help_begin, help_option};
static const struct format document_format = {document_heading, document_begin, document_option};

static void describe_choices(const char *choices, char *out, size_t capacity) {
    size_t len = 0;
    for (; *choices && len + 3 < capacity; choices++) {
        out[len++] = *choices == '|' ? ',' : *choices;
        if (*choices == '|')
            out[len++] = ' ';
    }
    out[len] = '\0';
}

static void describe_values(const struct e2b_option *option, char *out, size_t capacity) {
    switch (option->kind) {
    case E2B_OPTION_CHOICE:
        describe_choices(option->choices, out, capacity);
        break;
    case E2B_OPTION_INTEGER:
        snprintf(out, capacity, "%.12g..%.12g", option->min, option->max);
        break;
    case E2B_OPTION_NUMBER:
        snprintf(out, capacity, "number, %.12g..%.12g", option->min, option->max);
        break;
    case E2B_OPTION_INTEGERS:
        snprintf(
            out, capacity, "1 to %d of %.12g..%.12g", option->length, option->min, option->max);
        break;
    case E2B_OPTION_NUMBERS:
        snprintf(out, capacity, "1 to %d numbers, %.12g..%.12g", option->length, option->min,
            option->max);
        break;
    case E2B_OPTION_SETTINGS:
        snprintf(out, capacity, "mapping");
        break;
    default:
        snprintf(out, capacity, "%s", option->kind == E2B_OPTION_PATH ? "path" : "text");
    }
}

static void describe_option(
    const struct format *format, const struct e2b_option *option, struct e2b_text *out) {
    char values[200];
    describe_values(option, values, sizeof values);
    const char *fallback = !option->fallback ? "required"
        : option->fallback[0]                ? option->fallback
                                             : "empty";
    format->option(out, option->name, values, fallback, option->help);
}

static void describe_policy_option(
    const struct format *format, const struct e2b_policy_option *option, struct e2b_text *out) {
    char values[64], fallback[32];
    snprintf(values, sizeof values, "%lld..%lld", (long long)option->min, (long long)option->max);
    snprintf(fallback, sizeof fallback, "%lld", (long long)option->fallback);
    format->option(out, option->name, values, fallback, option->help);
}

static void describe_policy(
    const struct format *format, const struct e2b_policy_ops *policy, struct e2b_text *out) {
    char path[200];
    const struct e2b_policy_option *option = policy->options;
    snprintf(path, sizeof path, "scheduler.options of the policy %.100s", policy->name);
    format->heading(out, path, policy->help);
    if (option && option->name)
        format->begin(out);
    for (; option && option->name; option++)
        describe_policy_option(format, option, out);
}

static void describe_policies(const struct format *format, struct e2b_text *out) {
    for (const struct e2b_policy_ops *const *at = e2b_policy_all(); *at; at++)
        describe_policy(format, *at, out);
}

static void describe(const struct format *format, const struct e2b_option *section,
    const char *path, struct e2b_text *out);

static void describe_within(const struct format *format, const struct e2b_option *option,
    const char *outer, struct e2b_text *out) {
    char path[200];
    snprintf(path, sizeof path, "%s%s%s%s", outer, outer[0] ? "." : "", option->name,
        option->kind == E2B_OPTION_SEQUENCE ? "[]" : "");
    if (option->kind == E2B_OPTION_SETTINGS)
        describe_policies(format, out);
    else if (option->section)
        describe(format, option->section, path, out);
}

static void describe(const struct format *format, const struct e2b_option *section,
    const char *path, struct e2b_text *out) {
    if (path[0]) {
        format->heading(out, path, section->help);
        format->begin(out);
    }
    for (const struct e2b_option *option = section + 1; option->name; option++)
        if (!option->section)
            describe_option(format, option, out);
    for (const struct e2b_option *option = section + 1; option->name; option++)
        describe_within(format, option, path, out);
}

void e2b_config_help(struct e2b_text *out) {
    e2b_text_add(out, "%s", "The configuration is one YAML file:\n");
    describe(&help_format, e2b_options, "", out);
}

void e2b_config_document(struct e2b_text *out) {
    e2b_text_add(out, "%s",
        "# Options\n\nThe configuration is one YAML file. Unknown keys are errors. "
        "Paths are relative to the file's folder.\nMade from runtime/config/options.def: "
        "the test runtime/config/describe writes it anew with E2B_UPDATE=1.\n");
    describe(&document_format, e2b_options, "", out);
}
