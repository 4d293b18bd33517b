#include "runtime/config/options.h"

#include "runtime/config/config.h"
#include <string.h>

#define REQUIRED NULL
#define FIELD(section, field) .name = #field, .offset = offsetof(struct e2b_##section, field)
#define LIST(section, field)                                                                       \
    FIELD(section, field), .count_offset = offsetof(struct e2b_##section, field##_count)

#define SECTION(section, text)                                                                     \
    static const struct e2b_option section[] = {                                                   \
        {E2B_OPTION_SECTION, .name = #section, .bytes = sizeof(struct e2b_##section),              \
            .help = text},
#define TEXT(section, field, value, text)                                                          \
    {E2B_OPTION_TEXT, FIELD(section, field), .fallback = value, .help = text},
#define PATH(section, field, value, text)                                                          \
    {E2B_OPTION_PATH, FIELD(section, field), .fallback = value, .help = text},
#define CHOICE(section, field, value, words, text)                                                 \
    {E2B_OPTION_CHOICE, FIELD(section, field), .fallback = value, .choices = words, .help = text},
#define INTEGER(section, field, value, low, high, text)                                            \
    {E2B_OPTION_INTEGER, FIELD(section, field), .fallback = value, .min = low, .max = high,        \
        .help = text},
#define NUMBER(section, field, value, low, high, text)                                             \
    {E2B_OPTION_NUMBER, FIELD(section, field), .fallback = value, .min = low, .max = high,         \
        .help = text},
#define INTEGERS(section, field, most, value, low, high, text)                                     \
    {E2B_OPTION_INTEGERS, LIST(section, field), .length = most, .fallback = value, .min = low,     \
        .max = high, .help = text},
#define NUMBERS(section, field, most, value, low, high, text)                                      \
    {E2B_OPTION_NUMBERS, LIST(section, field), .length = most, .fallback = value, .min = low,      \
        .max = high, .help = text},
#define SETTINGS(section, field, text)                                                             \
    {E2B_OPTION_SETTINGS, FIELD(section, field), .fallback = "", .help = text},
#define MAPPING(outer, field, type) {E2B_OPTION_MAPPING, FIELD(outer, field), .section = type},
#define SEQUENCE(outer, field, type, most)                                                         \
    {E2B_OPTION_SEQUENCE, LIST(outer, field), .section = type, .length = most},
#define SECTION_END                                                                                \
    { .name = NULL }                                                                               \
    }
#include "runtime/config/options.def"

const struct e2b_option *const e2b_options = config;

int e2b_option_choice(const char *choices, const char *word) {
    size_t len = strlen(word);
    for (int index = 0;; index++) {
        size_t choice_len = strcspn(choices, "|");
        if (choice_len == len && memcmp(choices, word, len) == 0)
            return index;
        if (choices[choice_len] == '\0')
            return -1;
        choices += choice_len + 1;
    }
}
