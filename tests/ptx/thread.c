/* What a thread does alone. */
#include "kernels/tensor.h"
#include "tests/ptx/machine.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define EXEC(name) static void name(struct ptx_thread *t, const struct ptx_inst *i)
#define OP(n) (&i->operands[n])
#define GET(n) ptx_get(t, OP(n))
#define FLOAT(n) ptx_get_float(t, OP(n))

static int bits_of(enum ptx_type type) {
    return type <= PTX_PRED ? 1
        : type <= PTX_B8    ? 8
        : type <= PTX_F16   ? 16
        : type <= PTX_F32   ? 32
        : type <= PTX_F64   ? 64
                            : 32;
}

static bool is_signed(enum ptx_type type) {
    return type == PTX_S8 || type == PTX_S16 || type == PTX_S32 || type == PTX_S64;
}

static bool is_float(enum ptx_type type) {
    return type == PTX_F16 || type == PTX_F32 || type == PTX_F64;
}

static uint64_t cut(enum ptx_type type, uint64_t value) {
    int bits = bits_of(type);
    return bits == 64 ? value : value & ((1ull << bits) - 1);
}

static int64_t extend(enum ptx_type type, uint64_t value) {
    int shift = 64 - bits_of(type);
    return is_signed(type) ? (int64_t)(value << shift) >> shift : (int64_t)cut(type, value);
}

static double to_double(enum ptx_type type, uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float single;
    double value;
    if (type == PTX_F16)
        return e2b_float_from_half((uint16_t)bits);
    if (type == PTX_F32) {
        memcpy(&single, &low, sizeof single);
        return single;
    }
    if (type == PTX_F64) {
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return is_signed(type) ? (double)extend(type, bits) : (double)cut(type, bits);
}

static uint64_t float_bits(enum ptx_type type, double value) {
    uint64_t bits = 0;
    float single = (float)value;
    if (type == PTX_F16)
        return e2b_half_from_float(single);
    if (type == PTX_F32)
        memcpy(&bits, &single, sizeof single);
    else
        memcpy(&bits, &value, sizeof value);
    return bits;
}

EXEC(move) {
    ptx_set(t, OP(0), cut(i->type, GET(1)));
}

/* mov.b32 {low, high}, x and mov.b32 x, {low, high}: which, the parser's braces told. */
EXEC(pack) {
    int parts = i->count - 1, bits = bits_of(i->type) / parts;
    uint64_t value = 0;
    for (int k = 0; k < parts; k++)
        value |= (GET(1 + k) & ((1ull << bits) - 1)) << (k * bits);
    ptx_set(t, OP(0), value);
}

EXEC(unpack) {
    int parts = i->count - 1, bits = bits_of(i->type) / parts;
    uint64_t value = GET(parts);
    for (int k = 0; k < parts; k++)
        ptx_set(t, OP(k), value >> (k * bits) & ((1ull << bits) - 1));
}

#define FLOATING(function, expression)                                                             \
    static double function(double a, double b, double c) {                                         \
        (void)a, (void)b, (void)c;                                                                 \
        return expression;                                                                         \
    }
#define INTEGER(function, expression)                                                              \
    static int64_t function(int64_t a, int64_t b, int64_t c) {                                     \
        (void)a, (void)b, (void)c;                                                                 \
        return expression;                                                                         \
    }

/* fp32 sums and products are exact in double but for one rounding; fma needs its own. */
static void compute_float(
    struct ptx_thread *t, const struct ptx_inst *i, double (*function)(double, double, double)) {
    double v[3] = {0};
    for (int k = 1; k < i->count && k < 4; k++)
        v[k - 1] = to_double(i->type, GET(k));
    double result = function(v[0], v[1], v[2]);
    if (ptx_has(i, ".sat"))
        result = fmin(fmax(result, 0), 1);
    ptx_set(t, OP(0), float_bits(i->type, result));
}

static void compute_halves(
    struct ptx_thread *t, const struct ptx_inst *i, double (*function)(double, double, double)) {
    uint64_t result = 0;
    for (int shift = 0; shift < 32; shift += 16) {
        double v[3] = {0};
        for (int k = 1; k < i->count && k < 4; k++)
            v[k - 1] = to_double(PTX_F16, GET(k) >> shift & 0xffff);
        result |= float_bits(PTX_F16, function(v[0], v[1], v[2])) << shift;
    }
    ptx_set(t, OP(0), result);
}

static void compute(struct ptx_thread *t, const struct ptx_inst *i,
    int64_t (*integer)(int64_t, int64_t, int64_t), double (*floating)(double, double, double)) {
    if (i->type == PTX_F16X2) {
        compute_halves(t, i, floating);
        return;
    }
    if (is_float(i->type)) {
        compute_float(t, i, floating);
        return;
    }
    int64_t v[3] = {0};
    for (int k = 1; k < i->count && k < 4; k++)
        v[k - 1] = extend(i->type, GET(k));
    ptx_set(t, OP(0), cut(i->type, (uint64_t)integer(v[0], v[1], v[2])));
}

static uint64_t shift_left(uint64_t a, uint64_t by) {
    return by > 63 ? 0 : a << by;
}

#define BOTH(name, integer, floating)                                                              \
    INTEGER(name##_int, integer)                                                                   \
    FLOATING(name##_float, floating)                                                               \
    EXEC(name) {                                                                                   \
        compute(t, i, name##_int, name##_float);                                                   \
    }

BOTH(add, (int64_t)((uint64_t)a + (uint64_t)b), a + b)
BOTH(sub, (int64_t)((uint64_t)a - (uint64_t)b), a - b)
BOTH(divide, b ? a / b : -1, a / b)
BOTH(remainder_of, b ? a % b : a, fmod(a, b))
BOTH(negate, (int64_t)(0 - (uint64_t)a), -a)
BOTH(absolute, a < 0 ? -a : a, fabs(a))
BOTH(minimum, a < b ? a : b, fmin(a, b))
BOTH(maximum, a > b ? a : b, fmax(a, b))
BOTH(and, a &b, 0)
BOTH(or, a | b, 0)
BOTH(xor, a ^ b, 0)
BOTH(not, ~a, 0)
BOTH(exponential, 0, exp2(a))
BOTH(logarithm, 0, log2(a))
BOTH(reciprocal, 0, 1 / a)
BOTH(square_root, 0, sqrt(a))
BOTH(reciprocal_root, 0, 1 / sqrt(a))
BOTH(sine, 0, sin(a))
BOTH(cosine, 0, cos(a))
BOTH(copy_sign, 0, copysign(b, a))

EXEC(not_any) {
    if (i->type == PTX_PRED)
        ptx_set(t, OP(0), !GET(1));
    else
        not(t, i);
}

static bool is_wide(const struct ptx_inst *i) {
    return ptx_has(i, ".wide");
}

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

static uint64_t product(struct ptx_thread *t, const struct ptx_inst *i) {
    wide_int whole = (wide_int)extend(i->type, GET(1)) * extend(i->type, GET(2));
    if (i->type == PTX_U64)
        whole = (wide_int)((wide_uint)GET(1) * GET(2));
    if (ptx_has(i, ".hi"))
        return (uint64_t)(whole >> bits_of(i->type));
    return (uint64_t)whole;
}

FLOATING(multiply_float, a *b)
FLOATING(mad_float, fma(a, b, c))

static uint64_t cut_product(const struct ptx_inst *i, uint64_t value) {
    if (!is_wide(i))
        return cut(i->type, value);
    return bits_of(i->type) == 16 ? value & 0xffffffff : value;
}

EXEC(multiply) {
    if (is_float(i->type))
        compute_float(t, i, multiply_float);
    else
        ptx_set(t, OP(0), cut_product(i, product(t, i)));
}

EXEC(multiply_add) {
    if (i->type == PTX_F32) {
        ptx_set_float(t, OP(0), fmaf(FLOAT(1), FLOAT(2), FLOAT(3)));
        return;
    }
    if (is_float(i->type))
        compute_float(t, i, mad_float);
    else
        ptx_set(t, OP(0), cut_product(i, product(t, i) + GET(3)));
}

EXEC(shift_up) {
    uint64_t by = GET(2);
    ptx_set(t, OP(0), cut(i->type, shift_left(GET(1), by)));
}

EXEC(shift_down) {
    uint64_t by = GET(2) > 63 ? 63 : GET(2);
    int64_t a = extend(i->type, GET(1));
    uint64_t shifted = is_signed(i->type)  ? (uint64_t)(a >> by)
        : by >= (uint64_t)bits_of(i->type) ? 0
                                           : (uint64_t)a >> by;
    ptx_set(t, OP(0), cut(i->type, shifted));
}

EXEC(extract_bits) {
    uint64_t from = GET(2) & 0xff, length = GET(3) & 0xff, a = cut(i->type, GET(1));
    uint64_t field = length == 0
        ? 0
        : (from > 63 ? 0 : a >> from) & (length > 63 ? ~0ull : (1ull << length) - 1);
    if (is_signed(i->type) && length > 0 && length < 64)
        field = (uint64_t)((int64_t)(field << (64 - length)) >> (64 - length));
    ptx_set(t, OP(0), cut(i->type, field));
}

EXEC(funnel) {
    uint64_t whole = GET(2) << 32 | (GET(1) & 0xffffffff), by = GET(3);
    by = ptx_has(i, ".clamp") ? (by > 32 ? 32 : by) : by & 31;
    ptx_set(t, OP(0), (ptx_has(i, ".l.") ? whole << by >> 32 : whole >> by) & 0xffffffff);
}

EXEC(count_bits) {
    ptx_set(t, OP(0), (uint64_t)__builtin_popcountll(cut(i->type, GET(1))));
}

EXEC(leading_zeros) {
    uint64_t a = cut(i->type, GET(1));
    int bits = bits_of(i->type);
    ptx_set(t, OP(0), a ? (uint64_t)(__builtin_clzll(a) - (64 - bits)) : (uint64_t)bits);
}

EXEC(permute_bytes) {
    uint64_t whole = GET(2) << 32 | (GET(1) & 0xffffffff), selector = GET(3), result = 0;
    for (int k = 0; k < 4; k++) {
        uint64_t nibble = selector >> (4 * k) & 15, byte = whole >> (8 * (nibble & 7)) & 0xff;
        if (nibble & 8)
            byte = byte & 0x80 ? 0xff : 0;
        result |= byte << (8 * k);
    }
    ptx_set(t, OP(0), result);
}

static bool compare_floats(const char *how, double a, double b) {
    bool unordered = isnan(a) || isnan(b);
    if (!strncmp(how, "num", 3))
        return !unordered;
    if (!strncmp(how, "nan", 3))
        return unordered;
    if (unordered)
        return how[2] == 'u';
    return !strncmp(how, "eq", 2) ? a == b
        : !strncmp(how, "ne", 2)  ? a != b
        : !strncmp(how, "lt", 2)  ? a < b
        : !strncmp(how, "le", 2)  ? a <= b
        : !strncmp(how, "gt", 2)  ? a > b
                                  : a >= b;
}

static bool compare_integers(const struct ptx_inst *i, const char *how, uint64_t x, uint64_t y) {
    int64_t a = extend(i->type, x), b = extend(i->type, y);
    bool less = is_signed(i->type) ? a < b : (uint64_t)a < (uint64_t)b;
    return !strncmp(how, "eq", 2)                           ? a == b
        : !strncmp(how, "ne", 2)                            ? a != b
        : !strncmp(how, "lt", 2) || !strncmp(how, "lo.", 3) ? less
        : !strncmp(how, "le", 2) || !strncmp(how, "ls", 2)  ? less || a == b
        : !strncmp(how, "gt", 2) || !strncmp(how, "hi", 2)  ? !less && a != b
                                                            : !less;
}

/* setp.lt.f32 p, a, b and setp.lt.and.f32 p, a, b, q */
EXEC(set_predicate) {
    const char *how = i->name + strlen("setp.");
    bool result = is_float(i->type)
        ? compare_floats(how, to_double(i->type, GET(1)), to_double(i->type, GET(2)))
        : compare_integers(i, how, GET(1), GET(2));
    if (i->count > 3) {
        bool other = GET(3);
        result = ptx_has(i, ".and") ? result && other
            : ptx_has(i, ".or")     ? result || other
                                    : result != other;
    }
    ptx_set(t, OP(0), result);
}

EXEC(select_value) {
    ptx_set(t, OP(0), cut(i->type, GET(3) ? GET(1) : GET(2)));
}

static double rounded(const struct ptx_inst *i, double value) {
    return ptx_has(i, ".rzi") ? trunc(value)
        : ptx_has(i, ".rmi")  ? floor(value)
        : ptx_has(i, ".rpi")  ? ceil(value)
        : ptx_has(i, ".rni")  ? nearbyint(value)
                              : value;
}

static uint64_t saturated(enum ptx_type type, double value) {
    int bits = bits_of(type);
    if (isnan(value))
        return 0;
    double low = is_signed(type) ? -ldexp(1, bits - 1) : 0;
    double high = ldexp(1, is_signed(type) ? bits - 1 : bits);
    if (value <= low)
        return (uint64_t)(is_signed(type) ? INT64_MIN >> (64 - bits) : 0);
    if (value >= high)
        return is_signed(type) ? (1ull << (bits - 1)) - 1 : cut(type, ~0ull);
    return is_signed(type) ? (uint64_t)(int64_t)value : (uint64_t)value;
}

/* cvt.<to>.<from>: the types are the name's last two. */
EXEC(convert) {
    enum ptx_type from = i->type, to = i->from;
    if (to == PTX_F16X2) {
        double least = ptx_has(i, ".relu") ? 0 : -INFINITY;
        uint64_t high = float_bits(PTX_F16, fmax(FLOAT(1), least)),
                 low = float_bits(PTX_F16, fmax(FLOAT(2), least));
        ptx_set(t, OP(0), high << 16 | low);
    } else if (to == PTX_TF32) {
        ptx_set(t, OP(0), (GET(1) + 0x1000) & 0xffffe000);
    } else if (is_float(to)) {
        double value = rounded(i, to_double(from, GET(1)));
        ptx_set(t, OP(0), float_bits(to, ptx_has(i, ".sat") ? fmin(fmax(value, 0), 1) : value));
    } else if (is_float(from)) {
        ptx_set(t, OP(0), cut(to, saturated(to, rounded(i, to_double(from, GET(1))))));
    } else if (ptx_has(i, ".sat")) {
        ptx_set(t, OP(0), cut(to, saturated(to, to_double(from, GET(1)))));
    } else {
        ptx_set(t, OP(0), cut(to, (uint64_t)extend(from, GET(1))));
    }
}

EXEC(change_space) {
    ptx_set(t, OP(0), GET(1));
}

static unsigned char *memory_at(
    struct ptx_thread *t, const struct ptx_inst *i, uint64_t at, size_t bytes) {
    if (at >= PTX_LOCAL_BASE && at + bytes <= PTX_LOCAL_BASE + t->group->program->local_bytes)
        return t->local + (at - PTX_LOCAL_BASE);
    return ptx_has(i, ".shared") || at < (1u << 20) ? ptx_shared(t, i, at, bytes)
                                                    : ptx_global(t, i, at, bytes);
}

static bool is_aligned(struct ptx_thread *t, const struct ptx_inst *i, uint64_t at, size_t bytes) {
    if (at % bytes)
        ptx_fail(t, i, "misaligned address", at);
    return at % bytes == 0;
}

/* By a parameter's name, or by a register that has it. */
static void load_parameter(struct ptx_thread *t, const struct ptx_inst *i, size_t bytes) {
    const struct ptx_operand *from = OP(i->lanes);
    uint64_t at = from->kind == PTX_PARAMETER ? from->value : ptx_address(t, from), value = 0;
    if (at + bytes > (uint64_t)t->group->program->parameter_count * PTX_PARAMETER_BYTES) {
        ptx_fail(t, i, "outside of all parameters", at);
        return;
    }
    memcpy(&value, t->group->launch->parameters + at, bytes);
    ptx_set(t, OP(0), cut(i->type, value));
}

EXEC(load) {
    size_t bytes = (size_t)bits_of(i->type) / 8;
    const struct ptx_operand *from = OP(i->lanes);
    if (ptx_has(i, ".param")) {
        load_parameter(t, i, bytes);
        return;
    }
    uint64_t at = ptx_address(t, from);
    const unsigned char *memory = memory_at(t, i, at, bytes * (size_t)i->lanes);
    if (!memory || !is_aligned(t, i, at, bytes * (size_t)i->lanes))
        return;
    for (int k = 0; k < i->lanes; k++) {
        uint64_t value = 0;
        memcpy(&value, memory + (size_t)k * bytes, bytes);
        ptx_set(t, OP(k), is_signed(i->type) ? (uint64_t)extend(i->type, value) : value);
    }
}

EXEC(store) {
    size_t bytes = (size_t)bits_of(i->type) / 8;
    uint64_t at = ptx_address(t, OP(0));
    unsigned char *memory = memory_at(t, i, at, bytes * (size_t)i->lanes);
    if (!memory || !is_aligned(t, i, at, bytes * (size_t)i->lanes))
        return;
    for (int k = 0; k < i->lanes; k++) {
        uint64_t value = GET(1 + k);
        memcpy(memory + (size_t)k * bytes, &value, bytes);
    }
}

/* atom.<space>.<operation>.<type> d, [a], b (, c), and red without d */
EXEC(atomic) {
    int first = !strncmp(i->name, "red", 3) ? 0 : 1;
    size_t bytes = (size_t)bits_of(i->type) / 8;
    unsigned char *memory = memory_at(t, i, ptx_address(t, OP(first)), bytes);
    uint64_t old = 0, b = cut(i->type, GET(first + 1)), now;
    if (!memory)
        return;
    memcpy(&old, memory, bytes);
    if (ptx_has(i, ".add"))
        now = old + b;
    else if (ptx_has(i, ".exch"))
        now = b;
    else if (ptx_has(i, ".cas"))
        now = old == b ? GET(first + 2) : old;
    else if (ptx_has(i, ".inc"))
        now = old >= b ? 0 : old + 1;
    else if (ptx_has(i, ".max"))
        now = extend(i->type, old) > extend(i->type, b) ? old : b;
    else {
        ptx_fail(t, i, "an atomic operation unknown here", 0);
        return;
    }
    memcpy(memory, &now, bytes);
    if (first)
        ptx_set(t, OP(0), old);
}

EXEC(branch) {
    t->pc = i->target;
}

EXEC(leave) {
    (void)i;
    ptx_finish_copies(t, t->copy_batch);
    t->state = PTX_DONE;
}

EXEC(nothing) {
    (void)t;
    (void)i;
}

EXEC(prefetch) {
    ptx_global(t, i, ptx_address(t, OP(0)), 1);
}

EXEC(wait_at_barrier) {
    t->state = PTX_AT_BARRIER;
    t->barrier = i->count > 0 ? (int)GET(0) : 0;
    t->barrier_count = i->count > 1 ? (int)GET(1) : 0;
}

static void do_copy(struct ptx_thread *t, const struct ptx_inst *i, const struct ptx_copy *copy) {
    unsigned char *to = ptx_shared(t, i, copy->to, copy->filled);
    const unsigned char *from = copy->bytes ? ptx_global(t, i, copy->from, copy->bytes) : to;
    if (!to || !from)
        return;
    memset(to, 0, copy->filled);
    memmove(to, from, copy->bytes);
}

static void finish_copies(struct ptx_thread *t, int last_batch, int end) {
    static const struct ptx_inst inst = {.name = "cp.async"};
    int kept = 0;
    for (int k = 0; k < t->copy_count; k++)
        if (t->copies[k].batch <= last_batch && t->copies[k].number < end)
            do_copy(t, &inst, &t->copies[k]);
        else
            t->copies[kept++] = t->copies[k];
    t->copy_count = kept;
}

void ptx_finish_copies(struct ptx_thread *t, int last_batch) {
    finish_copies(t, last_batch, INT_MAX);
}

void ptx_finish_copies_before(struct ptx_thread *t, int number) {
    finish_copies(t, INT_MAX, number);
}

/* Of cp.async: all, or so many, or none where a predicate is true. */
static uint32_t bytes_to_copy(struct ptx_thread *t, const struct ptx_inst *i) {
    if (i->count > 3 && !OP(3)->predicate)
        return (uint32_t)GET(3);
    return i->count > 3 && GET(3) ? 0 : (uint32_t)GET(2);
}

/* cp.async.cg.shared.global [to], [from], 16 (, bytes or predicate) and its commit and wait. */
EXEC(copy_async) {
    if (ptx_has(i, ".commit_group")) {
        t->copy_batch++;
    } else if (ptx_has(i, ".wait_group")) {
        ptx_finish_copies(t, t->copy_batch - 1 - (int)GET(0));
    } else if (ptx_has(i, ".wait_all")) {
        ptx_finish_copies(t, t->copy_batch);
    } else if (ptx_has(i, ".mbarrier.arrive")) {
        ptx_copies_arrive(t, i);
    } else if (ptx_has(i, ".prefetch")) {
        ptx_global(t, i, ptx_address(t, OP(0)), GET(1));
    } else if (ptx_has(i, ".bulk")) {
        ptx_copy_bulk(t, i);
    } else {
        uint32_t filled = (uint32_t)GET(2);
        struct ptx_copy copy = {(uint32_t)ptx_address(t, OP(0)), bytes_to_copy(t, i), filled,
            ptx_address(t, OP(1)), t->copy_batch, t->copy_number++};
        if (copy.to % filled || (copy.bytes && copy.from % filled))
            ptx_fail(t, i, "misaligned address", copy.from);
        else if (!t->group->launch->late)
            do_copy(t, i, &copy);
        else if (t->copy_count == PTX_MAX_COPIES)
            ptx_fail(t, i, "too many copies under way", PTX_MAX_COPIES);
        else
            t->copies[t->copy_count++] = copy;
    }
}

static const struct {
    const char *name;
    ptx_exec *exec;
} table[] = {
    {"mov", move},
    {"add", add},
    {"sub", sub},
    {"mul", multiply},
    {"mad", multiply_add},
    {"fma", multiply_add},
    {"div", divide},
    {"rem", remainder_of},
    {"neg", negate},
    {"abs", absolute},
    {"min", minimum},
    {"max", maximum},
    {"and", and},
    {"or", or },
    {"xor", xor},
    {"not", not_any},
    {"shl", shift_up},
    {"shr", shift_down},
    {"bfe", extract_bits},
    {"shf", funnel},
    {"popc", count_bits},
    {"clz", leading_zeros},
    {"prmt", permute_bytes},
    {"setp", set_predicate},
    {"selp", select_value},
    {"cvt", convert},
    {"cvta", change_space},
    {"ld", load},
    {"st", store},
    {"atom", atomic},
    {"red", atomic},
    {"bra", branch},
    {"ret", leave},
    {"exit", leave},
    {"prefetch", prefetch},
    {"fence", nothing},
    {"membar", nothing},
    {"bar", wait_at_barrier},
    {"barrier", wait_at_barrier},
    {"ex2", exponential},
    {"lg2", logarithm},
    {"rcp", reciprocal},
    {"sqrt", square_root},
    {"rsqrt", reciprocal_root},
    {"sin", sine},
    {"cos", cosine},
    {"copysign", copy_sign},
    {"cp", copy_async},
    {"mbarrier", ptx_mbarrier},
    {"nanosleep", nothing},
};

ptx_exec *ptx_find(const char *name, bool *collective) {
    size_t length = strcspn(name, ".");
    ptx_exec *found = ptx_find_warp(name);
    *collective = found;
    for (size_t k = 0; k < sizeof table / sizeof table[0] && !found; k++)
        if (strlen(table[k].name) == length && !memcmp(table[k].name, name, length))
            found = table[k].exec;
    return found;
}

ptx_exec *ptx_find_move(bool packs) {
    return packs ? pack : unpack;
}
