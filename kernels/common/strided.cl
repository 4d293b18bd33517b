/* map: y = activation(f(a, b, c)) over a space of RANK dimensions, numbered from the innermost.
 * A work-item takes per_item chunks of V neighbours of dimension 0. Options:
 *   MAP_<function>       f, below
 *   TY TA TB TC          storage types; CT the type computed in, float or long
 *   IY IA IB IC          stride along dimension 0: 0 one element for all, 1 dense, 2 any
 * Of each row, elements d0 .. length - 1 are pad lanes and become 0. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

#define AS_CT CAT(convert_, CT)
#if defined(MAP_GATHER) && defined(IC)
#define F(Q, a, b, c) ((a) + (c))
#elif defined(MAP_FIRST) || defined(MAP_GATHER)
#define F(Q, a, b, c) (a)
#elif defined(MAP_TO_BOOL)
#define F(Q, a, b, c) ((a) != (Q)(0) ? (Q)(1) : (Q)(0))
#elif defined(MAP_ADD)
#define F(Q, a, b, c) ((a) + (b))
#elif defined(MAP_SUB)
#define F(Q, a, b, c) ((a) - (b))
#elif defined(MAP_MUL)
#define F(Q, a, b, c) ((a) * (b))
#elif defined(MAP_DIV)
#define F(Q, a, b, c) ((a) / (b))
#elif defined(MAP_DIV_INTEGER) /* never traps: x / 0 is x, min / -1 wraps */
#define F(Q, a, b, c) ((b) == (Q)(-1) ? (Q)(0) - (a) : (a) / NOT_TRAPPING(Q, b))
#elif defined(MAP_POW)
#define F(Q, a, b, c) pow((a), (b))
#elif defined(MAP_MIN)
#define F(Q, a, b, c) min((a), (b))
#elif defined(MAP_MAX)
#define F(Q, a, b, c) max((a), (b))
#elif defined(MAP_WEIGHTED)
#define F(Q, a, b, c) (p * (a) + q * (b))
#elif defined(MAP_MOD)
#define F(Q, a, b, c) ((a) - (b) * floor((a) / (b)))
#elif defined(MAP_FMOD)
#define F(Q, a, b, c) fmod((a), (b))
#elif defined(MAP_MOD_INTEGER)
#define F(Q, a, b, c) FLOOR_MOD(Q, (a) % NOT_TRAPPING(Q, b), b)
#elif defined(MAP_FMOD_INTEGER)
#define F(Q, a, b, c) ((a) % NOT_TRAPPING(Q, b))
#elif defined(MAP_PRELU)
#define F(Q, a, b, c) (max((a), (Q)(0)) + (b) * min((a), (Q)(0)))
#elif defined(MAP_AND)
#define F(Q, a, b, c) (((a) != (Q)(0)) && ((b) != (Q)(0)) ? (Q)(1) : (Q)(0))
#elif defined(MAP_OR)
#define F(Q, a, b, c) (((a) != (Q)(0)) || ((b) != (Q)(0)) ? (Q)(1) : (Q)(0))
#elif defined(MAP_XOR)
#define F(Q, a, b, c) ((((a) != (Q)(0)) != ((b) != (Q)(0))) ? (Q)(1) : (Q)(0))
#elif defined(MAP_EQUAL)
#define F(Q, a, b, c) ((a) == (b) ? (Q)(1) : (Q)(0))
#elif defined(MAP_GREATER)
#define F(Q, a, b, c) ((a) > (b) ? (Q)(1) : (Q)(0))
#elif defined(MAP_GREATER_OR_EQUAL)
#define F(Q, a, b, c) ((a) >= (b) ? (Q)(1) : (Q)(0))
#elif defined(MAP_LESS)
#define F(Q, a, b, c) ((a) < (b) ? (Q)(1) : (Q)(0))
#elif defined(MAP_LESS_OR_EQUAL)
#define F(Q, a, b, c) ((a) <= (b) ? (Q)(1) : (Q)(0))
#elif defined(MAP_WHERE)
#define F(Q, a, b, c) ((a) != (Q)(0) ? (b) : (c))
#elif defined(MAP_AFFINE)
#define F(Q, a, b, c) ((a) * (b) + (c))
#else
#error "no such function"
#endif

#define NOT_TRAPPING(Q, b) ((b) == (Q)(0) || (b) == (Q)(-1) ? (Q)(1) : (b))
#define FLOOR_MOD(Q, r, b)                                                                         \
    ((r) != (Q)(0) && (((r) ^ (b)) < (Q)(0)) ? (r) + (b) : (r))

/* One element, and V of them, read as the type computed in. */
#define GET_half(p, i) vload_half((i), (p))
#define GET_float(p, i) AS_CT((p)[i])
#define GET_uchar(p, i) AS_CT((p)[i])
#define GET_char(p, i) AS_CT((p)[i])
#define GET_int(p, i) AS_CT((p)[i])
#define GET_long(p, i) AS_CT((p)[i])
#define PUT_half(v, p, i) vstore_half_rte((v), (i), (p))
#define PUT_float(v, p, i) ((p)[i] = convert_float(v))
#define PUT_uchar(v, p, i) ((p)[i] = convert_uchar_sat(v))
#define PUT_char(v, p, i) ((p)[i] = convert_char_sat(v))
#define PUT_int(v, p, i) ((p)[i] = convert_int_sat(v))
#define PUT_long(v, p, i) ((p)[i] = convert_long_sat(v))

#if V > 1
#define CTV CAT(CT, V)
#define AS_CTV CAT(convert_, CTV)
#define LOADV(p, i) CAT(vload, V)(0, (p) + (i))
#define STOREV(v, p, i) CAT(vstore, V)((v), 0, (p) + (i))
#define HALVES_4(p, i) vload_half4(0, (p) + (i))
#define HALVES_8(p, i) ((float8)(HALVES_4(p, i), HALVES_4(p, (i) + 4))) /* see the prelude */
#define HALVES_16(p, i) ((float16)(HALVES_8(p, i), HALVES_8(p, (i) + 8)))
#define GETV_half(p, i) CAT(HALVES_, V)(p, i)
#define GETV_float(p, i) AS_CTV(LOADV(p, i))
#define GETV_uchar(p, i) AS_CTV(LOADV(p, i))
#define GETV_char(p, i) AS_CTV(LOADV(p, i))
#define GETV_int(p, i) AS_CTV(LOADV(p, i))
#define GETV_long(p, i) AS_CTV(LOADV(p, i))
#define SATV(type) CAT(CAT(CAT(convert_, type), V), _sat)
#define PUTV_half(v, p, i) CAT(CAT(vstore_half, V), _rte)((v), 0, (p) + (i))
#define PUTV_float(v, p, i) STOREV(CAT(convert_float, V)(v), p, i)
#define PUTV_uchar(v, p, i) STOREV(SATV(uchar)(v), p, i)
#define PUTV_char(v, p, i) STOREV(SATV(char)(v), p, i)
#define PUTV_int(v, p, i) STOREV(SATV(int)(v), p, i)
#define PUTV_long(v, p, i) STOREV(SATV(long)(v), p, i)
#endif

/* Along dimension 0. */
#define ALONG_0(i, s) 0
#define ALONG_1(i, s) (i)
#define ALONG_2(i, s) ((i) * (s))
#define ALONG(mode, i, s) CAT(ALONG_, mode)(i, s)
#define READ(type, mode, p, i, s) CAT(GET_, type)(p, ALONG(mode, i, s))
#if V > 1
#define READV_0(type, p, i) ((CTV)(CAT(GET_, type)(p, 0)))
#define READV_1(type, p, i) CAT(GETV_, type)(p, i)
#define READV(type, mode, p, i) CAT(READV_, mode)(type, p, i)
#endif

#define ARGS_1(x) , int x##0
#define ARGS_2(x) ARGS_1(x), int x##1
#define ARGS_3(x) ARGS_2(x), int x##2
#define ARGS_4(x) ARGS_3(x), int x##3
#define ARGS_5(x) ARGS_4(x), int x##4
#define ARGS_6(x) ARGS_5(x), int x##5
#define ARGS CAT(ARGS_, RANK)
#define AT_1(x) 0
#define AT_2(x) i1 *x##1
#define AT_3(x) AT_2(x) + i2 *x##2
#define AT_4(x) AT_3(x) + i3 *x##3
#define AT_5(x) AT_4(x) + i4 *x##4
#define AT_6(x) AT_5(x) + i5 *x##5
#define AT CAT(AT_, RANK)
#define TAKE(i, d)                                                                                 \
    int i = (int)(rest % (uint)d);                                                                 \
    rest /= (uint)d
#define SPLIT_1 (void)rest
#define SPLIT_2 int i1 = (int)rest
#define SPLIT_3 TAKE(i1, d1); int i2 = (int)rest
#define SPLIT_4 TAKE(i1, d1); TAKE(i2, d2); int i3 = (int)rest
#define SPLIT_5 TAKE(i1, d1); TAKE(i2, d2); TAKE(i3, d3); int i4 = (int)rest
#define SPLIT_6 TAKE(i1, d1); TAKE(i2, d2); TAKE(i3, d3); TAKE(i4, d4); int i5 = (int)rest
#define SPLIT CAT(SPLIT_, RANK)

#if defined(IC)
#define INPUTS 3
#elif defined(IB)
#define INPUTS 2
#else
#define INPUTS 1
#define IB 1
#endif
#ifndef IC
#define IC 1
#endif
#if defined(MAP_GATHER) && IB != 0
#define GATHER_EACH
#endif
#if V > 1 && !defined(GATHER_EACH) && IY == 1 && IA != 2 && IB != 2 && IC != 2
#define VECTOR
#endif

#define float_ACTIVATE(x) activate(x, act_a, act_b)
#define long_ACTIVATE(x) (x)
#define ACTIVATED CAT(CT, _ACTIVATE)
#ifdef VECTOR
#define float_ACTIVATEV(x) CAT(activate, V)(x, act_a, act_b)
#define long_ACTIVATEV(x) (x)
#define ACTIVATEDV CAT(CT, _ACTIVATEV)
#endif

/* Where index i lies along the gathered dimension; what is out of range is taken into it. */
#define GATHERED(i)                                                                                \
    ((int)clamp((long)(i) < 0 ? (long)(i) + gather_length : (long)(i), (long)0,                    \
         (long)(gather_length - 1))                                                                \
        * gather_stride)

__kernel void map(uint total, uint per_item, uint chunks, int length ARGS(d), __global TY *y,
    uint y_offset, int y_base ARGS(y), __global const TA *a, uint a_offset, int a_base ARGS(a)
#if INPUTS > 1
    , __global const TB *b, uint b_offset, int b_base ARGS(b)
#endif
#if INPUTS > 2
    , __global const TC *c, uint c_offset, int c_base ARGS(c)
#endif
#ifdef MAP_GATHER
    , int gather_length, int gather_stride
#endif
    , float p, float q, float act_a, float act_b) {
    uint id = (uint)get_global_id(0) * per_item;
    uint end = min(id + per_item, total);
    for (; id < end; id++) {
        uint rest = id / chunks;
        int from = (int)(id - rest * chunks) * V;
        SPLIT;
        __global TY *ty = y + y_offset + (y_base + AT(y));
        __global const TA *ta = a + a_offset + (a_base + AT(a));
#if INPUTS > 1
        __global const TB *tb = b + b_offset + (b_base + AT(b));
#endif
#if INPUTS > 2
        __global const TC *tc = c + c_offset + (c_base + AT(c));
#endif
#if defined(MAP_GATHER) && !defined(GATHER_EACH)
        ta += GATHERED(tb[0]);
#endif
#ifdef VECTOR
        if (from + V <= d0) {
            CTV va = READV(TA, IA, ta, from);
#if INPUTS > 1 && !defined(MAP_GATHER)
            CTV vb = READV(TB, IB, tb, from);
#endif
#if INPUTS > 2
            CTV vc = READV(TC, IC, tc, from);
#endif
            CTV result = ACTIVATEDV(F(CTV, va, vb, vc));
            CAT(PUTV_, TY)(result, ty, from);
            continue;
        }
#endif
        for (int i = from; i < min(from + V, length); i++) {
            CT result = 0;
            if (i < d0) {
#ifdef GATHER_EACH
                CT sa = CAT(GET_, TA)(ta, ALONG(IA, i, a0) + GATHERED(tb[ALONG(IB, i, b0)]));
#else
                CT sa = READ(TA, IA, ta, i, a0);
#endif
#if INPUTS > 1 && !defined(MAP_GATHER)
                CT sb = READ(TB, IB, tb, i, b0);
#endif
#if INPUTS > 2
                CT sc = READ(TC, IC, tc, i, c0);
#endif
                result = ACTIVATED(F(CT, sa, sb, sc));
            }
            CAT(PUT_, TY)(result, ty, ALONG(IY, i, y0));
        }
    }
}
