/* options.def as data: what reads, checks and documents a configuration walks over this. */
#ifndef E2B_CONFIG_OPTIONS_H
#define E2B_CONFIG_OPTIONS_H

#include <stddef.h>

enum e2b_option_kind {
    E2B_OPTION_SECTION,
    E2B_OPTION_TEXT,
    E2B_OPTION_PATH,
    E2B_OPTION_CHOICE,
    E2B_OPTION_INTEGER,
    E2B_OPTION_NUMBER,
    E2B_OPTION_INTEGERS,
    E2B_OPTION_NUMBERS,
    E2B_OPTION_SETTINGS,
    E2B_OPTION_MAPPING,
    E2B_OPTION_SEQUENCE,
};

/* A section is an array: first a row of kind SECTION about itself, then its options; the last has
 * name NULL. */
struct e2b_option {
    enum e2b_option_kind kind;
    const char *name, *help;
    const char *fallback; /* as in YAML; NULL: must be given */
    const char *choices;  /* CHOICE: "a|b|c" */
    double min, max;
    int length;                       /* most values of a list, most items of a SEQUENCE */
    size_t offset, count_offset;      /* of the field and, where it has one, of its count */
    size_t bytes;                     /* SECTION: of its struct */
    const struct e2b_option *section; /* MAPPING, SEQUENCE: what it holds */
};

extern const struct e2b_option *const e2b_options; /* the section that is the whole file */

/* Index of word in "a|b|c", or -1. */
int e2b_option_choice(const char *choices, const char *word);

#endif
