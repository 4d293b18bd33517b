/* What every test includes: cmocka with its prerequisites, and a skip that gives its reason. */
#ifndef E2B_TESTS_SUPPORT_H
#define E2B_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Prints "SKIP: <reason>", which tools/test.sh collects, and leaves the test. */
#define e2b_skip(...)                                                                              \
    do {                                                                                           \
        printf("SKIP: " __VA_ARGS__);                                                              \
        printf("\n");                                                                              \
        skip();                                                                                    \
    } while (0)

/* Assert that status is OK, printing the error's text if not. err is a struct e2b_error. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != E2B_OK)                                                                      \
            fail_msg("%s: %s", #call, (err).text);                                                 \
    } while (0)

/* Assert that the call fails with the status and that its message contains a text. Clears err. */
#define assert_fails(call, expected, contains, err)                                                \
    do {                                                                                           \
        assert_int_equal((call), (expected));                                                      \
        if (!strstr((err).text, (contains)))                                                       \
            fail_msg("message \"%s\" lacks \"%s\"", (err).text, (contains));                       \
        memset(&(err), 0, sizeof(err));                                                            \
    } while (0)

#endif
