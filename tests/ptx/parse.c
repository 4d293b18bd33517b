#include "tests/ptx/machine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 16384
#define MAX_SCOPES 8
#define MAX_OPERANDS 160

/* A register, parameter, shared or local symbol; those of inner scopes come last. */
struct name {
    const char *text;
    size_t length;
    bool ranged; /* %r<100>: text is its stem */
    enum ptx_operand_kind kind;
    int reg;
    bool predicate;
    uint64_t value;
};

struct parser {
    struct ptx_program *program;
    struct name names[MAX_NAMES];
    int name_count, scopes[MAX_SCOPES], scope;
    int inst_capacity;
    struct {
        const char *text;
        int inst;
    } labels[4096];
    int label_count;
    struct e2b_error *err;
};

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

static void fail(struct parser *parser, const char *what, const char *at) {
    if (parser->err->status == E2B_OK)
        e2b_fail(parser->err, E2B_UNSUPPORTED, "PTX: %s: %.60s", what, at);
}

static void strip_comments(char *text) {
    for (char *at = text; (at = strstr(at, "//"));)
        memset(at, ' ', strcspn(at, "\n"));
}

static struct name *add_name(struct parser *parser, const char *text, size_t length) {
    if (parser->name_count == MAX_NAMES) {
        fail(parser, "too many names", text);
        parser->name_count--;
    }
    struct name *name = &parser->names[parser->name_count++];
    *name = (struct name){.text = text, .length = length, .reg = -1};
    return name;
}

static const struct name *find_name(
    const struct parser *parser, const char *text, size_t length, int *index) {
    size_t stem = length;
    while (stem > 0 && isdigit((unsigned char)text[stem - 1]))
        stem--;
    for (int i = parser->name_count - 1; i >= 0; i--) {
        const struct name *name = &parser->names[i];
        *index = name->ranged ? atoi(text + stem) : 0;
        size_t compared = name->ranged ? stem : length;
        if (name->length == compared && !memcmp(name->text, text, compared))
            return name;
    }
    return NULL;
}

/* ".reg .b32 %r<100>" or ".reg .pred p, q" */
static void declare_registers(struct parser *parser, char *at) {
    at += strlen(".reg");
    at += strspn(at, " \t\n");
    bool predicate = !strncmp(at, ".pred", 5);
    at += strcspn(at, " \t\n");
    while (*at) {
        at += strcspn(at, "%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        size_t length = strcspn(at, "< ,\t\n");
        if (length == 0)
            return;
        struct name *name = add_name(parser, at, length);
        name->kind = PTX_REGISTER;
        name->predicate = predicate;
        name->reg = parser->program->register_count;
        at += length;
        name->ranged = *at == '<';
        parser->program->register_count += name->ranged ? atoi(at + 1) : 1;
        if (name->ranged)
            at += strcspn(at, ">") + 1;
    }
}

/* ".shared .align 16 .b8 name[1024]", and .local */
static void declare_array(struct parser *parser, char *at, bool shared) {
    struct ptx_program *program = parser->program;
    char *align_at = strstr(at, ".align"), *bracket = strrchr(at, '[');
    size_t align = align_at ? strtoul(align_at + 6, NULL, 10) : 8;
    const char *type = strstr(at, ".b8") ? ".b8" : strchr(align_at ? align_at + 1 : at + 1, '.');
    char *begin = bracket ? bracket : at + strlen(at);
    while (begin > at && !is_word(begin[-1]))
        begin--;
    char *end = begin;
    while (begin > at && is_word(begin[-1]))
        begin--;
    size_t bytes = bracket ? strtoul(bracket + 1, NULL, 10) : type && strstr(type, "64") ? 8 : 4;
    size_t *top = shared ? &program->shared_bytes : &program->local_bytes;
    *top = (*top + align - 1) / align * align;
    struct name *name = add_name(parser, begin, (size_t)(end - begin));
    name->kind = PTX_IMMEDIATE;
    name->value = (shared ? PTX_SHARED_BEGIN : PTX_LOCAL_BASE) + *top;
    *top += bytes;
}

static bool special(const char *text, size_t length, struct ptx_operand *operand) {
    static const char *const names[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y",
        "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z",
        "%laneid", "%warpid", "%smid", "%globaltimer_lo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && !memcmp(names[i], text, length)) {
            *operand = (struct ptx_operand){.kind = PTX_SPECIAL, .value = i};
            return true;
        }
    return false;
}

static uint64_t number(const char *text) {
    if (text[0] == '0' && (text[1] == 'f' || text[1] == 'd'))
        return strtoull(text + 2, NULL, 16);
    return text[0] == '-' ? (uint64_t)strtoll(text, NULL, 0) : strtoull(text, NULL, 0);
}

static bool parse_word(
    struct parser *parser, const char *text, size_t length, struct ptx_operand *operand) {
    int index;
    *operand = (struct ptx_operand){.kind = PTX_IMMEDIATE, .reg = -1};
    if (isdigit((unsigned char)text[0]) || text[0] == '-') {
        operand->value = number(text);
        return true;
    }
    if (text[0] == '%' && special(text, length, operand))
        return true;
    const struct name *name = find_name(parser, text, length, &index);
    if (!name)
        return false;
    operand->kind = name->kind;
    operand->reg = name->kind == PTX_REGISTER ? name->reg + index : -1;
    operand->predicate = name->predicate;
    operand->value = name->value;
    return true;
}

/* After "[": register or symbol, and what is added. */
static const char *parse_address(
    struct parser *parser, const char *at, struct ptx_operand *operand) {
    at += strspn(at, " ");
    size_t length = strcspn(at, "+] ");
    if (!parse_word(parser, at, length, operand)) {
        fail(parser, "unknown name in an address", at);
        return at;
    }
    if (operand->kind == PTX_REGISTER) {
        operand->kind = PTX_ADDRESS;
        operand->value = 0;
    } else if (operand->kind == PTX_IMMEDIATE) {
        operand->kind = PTX_ADDRESS;
        operand->reg = -1;
    }
    at += length;
    if (*at == '+')
        operand->value += (uint64_t)strtoll(at + 1, NULL, 0);
    return at + strcspn(at, "]") + 1;
}

static void parse_operands(struct parser *parser, struct ptx_inst *inst, const char *at) {
    struct ptx_operand operands[MAX_OPERANDS];
    int count = 0;
    while (parser->err->status == E2B_OK && *at) {
        bool negated = *at == '!';
        at += negated;
        if (*at == '[') {
            at = parse_address(parser, at + 1, &operands[count++]);
            continue;
        }
        size_t length = 0;
        while (is_word(at[length]) || (length == 0 && at[0] == '-'))
            length++;
        if (length == 0) {
            at++;
            continue;
        }
        if (count == MAX_OPERANDS || !parse_word(parser, at, length, &operands[count])) {
            fail(parser, "unknown name", at);
            return;
        }
        operands[count++].negated = negated;
        at += length;
    }
    inst->operands = calloc((size_t)count + 1, sizeof *inst->operands);
    inst->count = count;
    memcpy(inst->operands, operands, (size_t)count * sizeof *operands);
}

static enum ptx_type type_named(const char *text, size_t length) {
    static const char *const names[] = {[PTX_PRED] = "pred",
        [PTX_U8] = "u8",
        [PTX_S8] = "s8",
        [PTX_B8] = "b8",
        [PTX_U16] = "u16",
        [PTX_S16] = "s16",
        [PTX_B16] = "b16",
        [PTX_F16] = "f16",
        [PTX_U32] = "u32",
        [PTX_S32] = "s32",
        [PTX_B32] = "b32",
        [PTX_F32] = "f32",
        [PTX_U64] = "u64",
        [PTX_S64] = "s64",
        [PTX_B64] = "b64",
        [PTX_F64] = "f64",
        [PTX_F16X2] = "f16x2",
        [PTX_TF32] = "tf32"};
    for (int i = PTX_PRED; i <= PTX_TF32; i++)
        if (strlen(names[i]) == length && !memcmp(names[i], text, length))
            return (enum ptx_type)i;
    return PTX_NONE;
}

static void read_types(struct ptx_inst *inst) {
    inst->lanes = strstr(inst->name, ".v4") ? 4 : strstr(inst->name, ".v2") ? 2 : 1;
    for (const char *at = inst->name; *at;) {
        size_t length = strcspn(at, ".");
        enum ptx_type type = type_named(at, length);
        if (type) {
            inst->from = inst->type;
            inst->type = type;
        }
        at += length + (at[length] == '.');
    }
    if (!inst->from)
        inst->from = inst->type;
}

static struct ptx_inst *add_inst(struct parser *parser) {
    struct ptx_program *program = parser->program;
    if (program->inst_count == parser->inst_capacity) {
        parser->inst_capacity = parser->inst_capacity ? 2 * parser->inst_capacity : 1024;
        program->insts =
            realloc(program->insts, (size_t)parser->inst_capacity * sizeof *program->insts);
    }
    struct ptx_inst *inst = &program->insts[program->inst_count++];
    memset(inst, 0, sizeof *inst);
    inst->guard = inst->target = -1;
    return inst;
}

static char *parse_guard(struct parser *parser, struct ptx_inst *inst, char *at) {
    struct ptx_operand operand;
    if (*at != '@')
        return at;
    inst->guard_negated = *++at == '!';
    at += inst->guard_negated;
    size_t length = strcspn(at, " \t");
    if (!parse_word(parser, at, length, &operand))
        fail(parser, "unknown predicate", at);
    inst->guard = operand.reg;
    at += length;
    return at + strspn(at, " \t\n");
}

static void parse_instruction(struct parser *parser, char *at) {
    struct ptx_inst *inst = add_inst(parser);
    at = parse_guard(parser, inst, at);
    inst->name = at;
    at += strcspn(at, " \t\n");
    if (*at)
        *at++ = '\0';
    at += strspn(at, " \t\n");
    read_types(inst);
    inst->exec = ptx_find(inst->name, &inst->collective);
    if (!inst->exec)
        fail(parser, "unknown instruction", inst->name);
    else if (!strncmp(inst->name, "bra", 3))
        inst->label = at;
    else
        parse_operands(parser, inst, at);
    if (!strncmp(inst->name, "mov.", 4) && inst->count > 2)
        inst->exec = ptx_find_move(*at != '{');
}

static void parse_statement(struct parser *parser, char *at) {
    if (!strncmp(at, ".reg", 4))
        declare_registers(parser, at);
    else if (!strncmp(at, ".shared", 7) || !strncmp(at, ".local", 6))
        declare_array(parser, at, at[1] == 's');
    else if (*at != '.')
        parse_instruction(parser, at);
}

/* A label at `at`: its length with the colon, else 0. */
static size_t label_length(const char *at) {
    size_t length = 0;
    while (is_word(at[length]))
        length++;
    return length > 0 && at[length] == ':' && at[length + 1] != ':' ? length + 1 : 0;
}

static void parse_body(struct parser *parser, char *at) {
    while (*at && parser->scope >= 0 && parser->err->status == E2B_OK) {
        at += strspn(at, " \t\r\n;");
        size_t label = label_length(at);
        if (*at == '{') {
            parser->scopes[++parser->scope] = parser->name_count;
            at++;
        } else if (*at == '}') {
            parser->name_count = parser->scopes[parser->scope--];
            at++;
        } else if (label) {
            at[label - 1] = '\0';
            parser->labels[parser->label_count].text = at;
            parser->labels[parser->label_count++].inst = parser->program->inst_count;
            at += label;
        } else if (*at) {
            char *end = at + strcspn(at, ";");
            if (*end)
                *end++ = '\0';
            parse_statement(parser, at);
            at = end;
        }
    }
}

/* "kernel( .param .u64 kernel_param_0, .param .align 4 .b8 kernel_param_1[8] )"; returns the body
 * after "{". */
static char *parse_head(struct parser *parser, char *at) {
    snprintf(parser->program->entry, sizeof parser->program->entry, "%.*s",
        (int)strcspn(at, "( \t\n"), at);
    char *end = at + strcspn(at, ")");
    for (at += strcspn(at, "(") + 1; at < end;) {
        char *stop = at + strcspn(at, ",)"), *begin = at + strcspn(at, "[,)");
        while (begin > at && !is_word(begin[-1]))
            begin--;
        char *last = begin;
        while (begin > at && is_word(begin[-1]))
            begin--;
        if (last > begin) {
            struct name *name = add_name(parser, begin, (size_t)(last - begin));
            name->kind = PTX_PARAMETER;
            name->value = (uint64_t)parser->program->parameter_count++ * PTX_PARAMETER_BYTES;
        }
        at = stop + 1;
    }
    return end + strcspn(end, "{") + 1;
}

static void resolve_branches(struct parser *parser) {
    for (int i = 0; i < parser->program->inst_count; i++) {
        struct ptx_inst *inst = &parser->program->insts[i];
        for (int l = 0; inst->label && l < parser->label_count; l++)
            if (!strcmp(inst->label, parser->labels[l].text))
                inst->target = parser->labels[l].inst;
        if (inst->label && inst->target < 0)
            fail(parser, "unknown label", inst->label);
    }
}

static char *find_entry(char *text, const char *kernel) {
    char wanted[128];
    int length = snprintf(wanted, sizeof wanted, ".entry %s", kernel);
    while ((text = strstr(text, wanted)) && is_word(text[length]))
        text += length;
    return text;
}

enum e2b_status ptx_parse(
    const char *text, const char *kernel, struct ptx_program **out, struct e2b_error *err) {
    struct parser *parser = calloc(1, sizeof *parser);
    struct ptx_program *program = calloc(1, sizeof *program);
    program->text = strdup(text);
    parser->program = program;
    parser->err = err;
    strip_comments(program->text);
    for (char *at = program->text; (at = strstr(at, ".shared"));) {
        char *line_end = at + strcspn(at, ";");
        char *entry = strstr(program->text, ".entry");
        if (entry && at > entry)
            break;
        char declaration[256];
        snprintf(declaration, sizeof declaration, "%.*s", (int)(line_end - at), at);
        fail(parser, "shared memory outside of the kernel", declaration);
        at = line_end;
    }
    char *entry = find_entry(program->text, kernel);
    if (strstr(program->text, ".func"))
        fail(parser, "a function that was not inlined", strstr(program->text, ".func"));
    if (!entry)
        fail(parser, "no kernel", kernel);
    if (err->status == E2B_OK)
        parse_body(parser, parse_head(parser, entry + strlen(".entry ")));
    resolve_branches(parser);
    free(parser);
    if (err->status != E2B_OK) {
        ptx_destroy(program);
        return err->status;
    }
    *out = program;
    return E2B_OK;
}

void ptx_destroy(struct ptx_program *program) {
    if (!program)
        return;
    for (int i = 0; i < program->inst_count; i++)
        free(program->insts[i].operands);
    free(program->insts);
    free(program->text);
    free(program);
}

int ptx_parameter_count(const struct ptx_program *program) {
    return program->parameter_count;
}
