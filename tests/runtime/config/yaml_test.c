#include "runtime/config/yaml.h"

#include "runtime/base/text.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

static enum e2b_status parse(const char *text, struct e2b_yaml **out, struct e2b_error *err) {
    return e2b_yaml_parse(text, strlen(text), "t.yaml", out, err);
}

static void nodes_know_their_place(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_yaml *root;
    assert_ok(parse("# first\na: 1\nb:\n  - x\n  - {c: \"2\"}\n", &root, &err), err);
    const struct e2b_yaml *b = e2b_yaml_find(root, "b");
    assert_int_equal(root->kind, E2B_YAML_MAPPING);
    assert_int_equal(b->kind, E2B_YAML_SEQUENCE);
    assert_int_equal(b->count, 2);
    assert_int_equal(b->key_line, 3);
    assert_int_equal(b->key_column, 1);
    const struct e2b_yaml *c = e2b_yaml_find(&b->children[1], "c");
    assert_string_equal(c->text, "2");
    assert_false(c->plain);
    assert_true(b->children[0].plain);
    assert_int_equal(c->line, 5);
    assert_int_equal(c->column, 9);
    assert_null(e2b_yaml_find(root, "c"));
    assert_null(e2b_yaml_find(b, "x"));
    assert_null(e2b_yaml_find(NULL, "x"));
    e2b_yaml_destroy(root);
    e2b_yaml_destroy(NULL);
}

static void null_is_what_yaml_calls_so(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool null;
    } cases[] = {{"a:", true}, {"a: ~", true}, {"a: null", true}, {"a: ''", false},
        {"a: \"null\"", false}, {"a: 0", false}, {"a: []", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct e2b_error err = {0};
        struct e2b_yaml *root;
        assert_ok(parse(cases[i].text, &root, &err), err);
        assert_int_equal(e2b_yaml_is_null(e2b_yaml_find(root, "a")), cases[i].null);
        e2b_yaml_destroy(root);
    }
}

static void what_is_refused_says_where(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"# \xc3\xa4\na:\n\t- 1\n", "t.yaml:3:1: is not YAML: a tab is there: indent with spaces"},
        {"", "t.yaml:1:1: is empty"},
        {"# only this\n", "t.yaml:1:1: is empty"},
        {"a: [1, 2\nb: 3\n", "is not YAML"},
        {"a: 1\n\tb: 2\n", "t.yaml:2:1: is not YAML"},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: \"a\" is given twice, first in line 1"},
        {"a: &x 1\n", "t.yaml:1:4: anchors, aliases and tags are not supported"},
        {"a: !!int 1\n", "t.yaml:1:4: anchors, aliases and tags"},
        {"[a, b]: 1\n", "t.yaml:1:1: a key must be a plain word"},
        {"&k a: 1\n", "a key must be a plain word"},
        {"*k : 1\n", "a key must be a plain word"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document begins"},
        {"a: \"x\\0y\"\n", "t.yaml:1:4: text may not hold a NUL character"},
        {"ab: 1\nc: \xff\n", "t.yaml:2:4: is not UTF-8 text"},
        {"a: \xc3(\n", "t.yaml:1:5: is not UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct e2b_error err = {0};
        struct e2b_yaml *root;
        assert_fails(parse(cases[i].text, &root, &err), E2B_INVALID, cases[i].message, err);
        assert_null(root);
    }
}

static void alias_bomb_is_refused_at_its_first_anchor(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_yaml *root;
    const char *bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
    assert_fails(parse(bomb, &root, &err), E2B_INVALID, "t.yaml:1:4: anchors", err);
    assert_fails(parse("a: *a\n", &root, &err), E2B_INVALID, "t.yaml:1:4: anchors", err);
}

/* Text of `count` times `piece`. */
static char *repeat(const char *piece, size_t count) {
    size_t len = strlen(piece);
    char *text = malloc(len * count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, piece, len);
    text[len * count] = '\0';
    return text;
}

static void depth_is_limited(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_yaml *root;
    assert_ok(parse("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", &root, &err), err);
    e2b_yaml_destroy(root);
    char *deep = repeat("[", 17), *deepest = repeat("{a: [", 100000);
    assert_fails(parse(deep, &root, &err), E2B_INVALID, "1:17: is more than 16 levels", err);
    assert_fails(parse(deepest, &root, &err), E2B_INVALID, "is more than 16 levels", err);
    free(deep);
    free(deepest);
}

static void size_is_limited(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_yaml *root;
    char *spaces = repeat(" ", (1 << 20) + 1);
    assert_fails(parse(spaces, &root, &err), E2B_INVALID, "1048577 bytes, more than", err);
    free(spaces);
    struct e2b_text keys = {0};
    for (int i = 0; i < 257; i++)
        e2b_text_add(&keys, "k%d: 1\n", i);
    assert_fails(parse(keys.data, &root, &err), E2B_INVALID, "257:1: more than 256 keys", err);
    e2b_text_finish(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(null_is_what_yaml_calls_so),
        cmocka_unit_test(what_is_refused_says_where),
        cmocka_unit_test(alias_bomb_is_refused_at_its_first_anchor),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(size_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
