#include "runtime/base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_WORD = 63 };

static void give_up(struct e2b_text *text) {
    free(text->data);
    *text = (struct e2b_text){.failed = true};
}

static bool reserve(struct e2b_text *text, size_t more) {
    if (text->failed)
        return false;
    if (more < text->capacity - text->len)
        return true;
    if (more > SIZE_MAX / 2 - text->len - 1) {
        give_up(text);
        return false;
    }
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity - text->len <= more)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        give_up(text);
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void e2b_text_add(struct e2b_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !reserve(text, (size_t)len))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
    va_end(args);
    text->len += (size_t)len;
}

void e2b_text_add_bytes(struct e2b_text *text, const void *bytes, size_t len) {
    if (!reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void e2b_text_finish(struct e2b_text *text) {
    free(text->data);
    *text = (struct e2b_text){0};
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static bool same_letter(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: insert, delete, replace and swap of neighbours cost one each. */
static int edit_distance(const char *a, int a_len, const char *b, int b_len) {
    int rows[3][LONGEST_WORD + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= b_len; j++)
        row[j] = j;
    for (int i = 1; i <= a_len; i++) {
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (int j = 1; j <= b_len; j++) {
            row[j] = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            row[j] = smaller(row[j], smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2])
                && same_letter(a[i - 2], b[j - 1]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
    }
    return row[b_len];
}

const char *e2b_text_nearest(const char *word, const char *const *candidates) {
    size_t len = strlen(word);
    if (len > LONGEST_WORD)
        return NULL;
    const char *best = NULL;
    int best_distance = LONGEST_WORD;
    for (; *candidates; candidates++) {
        size_t other = strlen(*candidates);
        if (other > LONGEST_WORD)
            continue;
        int distance = edit_distance(word, (int)len, *candidates, (int)other);
        if (distance < best_distance && (size_t)distance * 3 <= (len > other ? len : other)) {
            best = *candidates;
            best_distance = distance;
        }
    }
    return best;
}

uint64_t e2b_hash(uint64_t hash, const void *bytes, size_t len) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
