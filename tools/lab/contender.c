#include "tools/lab/contender.h"

#include "runtime/base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char gather[] = "gather/";

static enum e2b_status unknown_policy(const char *name, struct e2b_error *err) {
    struct e2b_text known = {0};
    for (const struct e2b_policy_ops *const *ops = e2b_policy_all(); *ops; ops++)
        e2b_text_add(&known, "%s%s", known.len ? ", " : "", (*ops)->name);
    e2b_fail(err, E2B_INVALID, "policy \"%s\" is unknown; there are: %s", name,
        known.data ? known.data : "");
    e2b_text_finish(&known);
    return err->status;
}

static int find_option(const struct e2b_policy_ops *ops, const char *name) {
    for (int i = 0; ops->options && ops->options[i].name; i++)
        if (!strcmp(ops->options[i].name, name))
            return i;
    return -1;
}

static enum e2b_status unknown_option(
    const struct e2b_policy_ops *ops, const char *name, struct e2b_error *err) {
    struct e2b_text known = {0};
    for (int i = 0; ops->options && ops->options[i].name; i++)
        e2b_text_add(&known, "%s%s", known.len ? ", " : "", ops->options[i].name);
    e2b_fail(err, E2B_INVALID, "policy %s has no option \"%s\"; it has: %s", ops->name, name,
        known.data ? known.data : "none");
    e2b_text_finish(&known);
    return err->status;
}

static enum e2b_status take_option(
    struct e2b_lab_contender *contender, char *setting, struct e2b_error *err) {
    char *value = strchr(setting, '='), *end;
    if (!value)
        return e2b_fail(err, E2B_INVALID, "policy %s: \"%s\" is not option=value",
            contender->ops->name, setting);
    *value++ = 0;
    int index = find_option(contender->ops, setting);
    if (index < 0)
        return unknown_option(contender->ops, setting, err);
    const struct e2b_policy_option *option = &contender->ops->options[index];
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < option->min || number > option->max)
        return e2b_fail(err, E2B_INVALID,
            "policy %s: %s \"%s\" is not a whole number in %lld..%lld", contender->ops->name,
            setting, value, (long long)option->min, (long long)option->max);
    contender->values[index] = number;
    return E2B_OK;
}

enum e2b_status e2b_lab_contender_parse(
    const char *text, struct e2b_lab_contender *out, struct e2b_error *err) {
    char copy[sizeof out->name], *rest = NULL;
    memset(out, 0, sizeof *out);
    if (strlen(text) >= sizeof copy)
        return e2b_fail(
            err, E2B_INVALID, "policy \"%.40s...\" is longer than %zu", text, sizeof copy - 1);
    strcpy(copy, text);
    char *settings = strchr(copy, ':');
    if (settings)
        *settings++ = 0;
    out->gather = !strncmp(copy, gather, strlen(gather));
    const char *name = copy + (out->gather ? strlen(gather) : 0);
    out->ops = e2b_policy_find(name);
    if (!out->ops)
        return unknown_policy(name, err);
    strcpy(out->name, text);
    for (int i = 0; out->ops->options && out->ops->options[i].name; i++)
        out->values[i] = out->ops->options[i].fallback;
    for (char *setting = settings ? strtok_r(settings, ",", &rest) : NULL; setting;
         setting = strtok_r(NULL, ",", &rest))
        if (take_option(out, setting, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

void e2b_lab_contender_rename(struct e2b_lab_contender *contender) {
    const struct e2b_policy_option *options = contender->ops->options;
    int length = snprintf(contender->name, sizeof contender->name, "%s%s",
        contender->gather ? gather : "", contender->ops->name);
    bool first = true;
    for (int i = 0; options && options[i].name && length < (int)sizeof contender->name; i++) {
        if (contender->values[i] == options[i].fallback)
            continue;
        length += snprintf(contender->name + length, sizeof contender->name - (size_t)length,
            "%c%s=%lld", first ? ':' : ',', options[i].name, (long long)contender->values[i]);
        first = false;
    }
}
