/* Vectors of REAL, and the two functions of a unit: soft-plus and sigmoid.

   Included once for each type and instruction set (see kernels.h), which define
     REAL, INTEGER   float and int32_t, or double and int64_t
     IS_DOUBLE       0 or 1
     VBYTES          bytes in a vector
     TARGET          attributes of functions: the instruction set
     NAME(x)         x with a suffix of its own                                              */

#define VLEN ((long)(VBYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef REAL NAME(vec) __attribute__((vector_size(VBYTES)));
typedef INTEGER NAME(ivec) __attribute__((vector_size(VBYTES)));
typedef REAL NAME(uvec) __attribute__((vector_size(VBYTES), aligned(sizeof(REAL)), may_alias));
#define vec NAME(vec)
#define ivec NAME(ivec)

INLINE vec NAME(load)(const REAL *from) { return *(const NAME(uvec) *)from; }
INLINE void NAME(store)(REAL *to, vec x) { *(NAME(uvec) *)to = x; }
INLINE vec NAME(all)(REAL x) { return x - (vec){0}; }
INLINE vec NAME(choose)(ivec mask, vec yes, vec no) {
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}
INLINE REAL NAME(total)(vec x) {
    REAL sum = 0;
    for (long i = 0; i < VLEN; i++) sum += x[i];
    return sum;
}

#if IS_DOUBLE
#define LOWEST (-708.0)             /* exp of it is still a normal number */
#define ROUNDER 6755399441055744.0  /* 1.5 * 2^52: adding it rounds, and leaves k in the low bits */
#define MANTISSA 52
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_TERMS 13
#define LOG_TERMS 10
#else
#define LOWEST (-87.0f)
#define ROUNDER 12582912.0f
#define MANTISSA 23
#define LN2_HIGH 6.93359375e-1f
#define LN2_LOW (-2.12194440e-4f)
#define EXP_TERMS 8
#define LOG_TERMS 5
#endif

/* Σ c_i x^i by Estrin's scheme: neighbours in pairs, again and again, so that little waits. */
INLINE vec NAME(polynomial)(vec x, const double *c, int terms) {
    vec sums[8];
    int left = (terms + 1) / 2;
    for (int i = 0; i < left; i++)
        sums[i] = 2 * i + 1 < terms ? x * (REAL)c[2 * i + 1] + (REAL)c[2 * i]
                                    : NAME(all)((REAL)c[2 * i]);
    for (; left > 1; left = (left + 1) / 2) {
        x = x * x;
        for (int i = 0; i < left / 2; i++) sums[i] = sums[2 * i + 1] * x + sums[2 * i];
        if (left % 2) sums[left / 2] = sums[left - 1];
    }
    return sums[0];
}

/* exp(y) for y <= 0: 2^k times the Taylor polynomial at |r| <= ln(2) / 2. */
INLINE vec NAME(exp_of_negative)(vec y) {
    static const double inverse_factorial[] = {
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};
    y = NAME(choose)(y < (REAL)LOWEST, NAME(all)((REAL)LOWEST), y);
    const vec shifted = y * (REAL)1.44269504088896340736 + (REAL)ROUNDER;
    const vec k = shifted - (REAL)ROUNDER;
    const vec r = (y - k * (REAL)LN2_HIGH) - k * (REAL)LN2_LOW;
    const vec sum = NAME(polynomial)(r, inverse_factorial, EXP_TERMS);
    return (vec)((ivec)sum + ((ivec)shifted << MANTISSA));
}

/* Write sigmoid(z), and soft-plus(z) = max(z, 0) + log(1 + t) where it is asked for, t = exp(-|z|).
   The logarithm is 2 artanh(f / (2 + f)) with 1 + t = 1 + f or 2 (1 + f). Its division and that of
   the sigmoid are one. NaN stays NaN. */
INLINE void NAME(activate)(vec z, REAL *sigmoid, REAL *softplus) {
    static const double artanh[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9, 2.0 / 11,
                                    2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19};
    const ivec negative = z < (REAL)0;
    const vec t = NAME(exp_of_negative)(NAME(choose)(negative, z, -z)), one = t + (REAL)1;
    vec inverse;
    if (softplus) {
        const ivec upper = t > (REAL)0.41421356237309504880;
        const vec f = NAME(choose)(upper, (t - (REAL)1) * (REAL)0.5, t), two = f + (REAL)2;
        const vec both = (REAL)1 / (one * two), s = f * one * both;
        inverse = two * both;
        const vec start = NAME(choose)(negative, (vec){0}, z) +
                          NAME(choose)(upper, NAME(all)((REAL)0.69314718055994530942), (vec){0});
        NAME(store)(softplus, s * NAME(polynomial)(s * s, artanh, LOG_TERMS) + start);
    } else
        inverse = (REAL)1 / one;
    const vec slope = NAME(choose)(negative, t * inverse, inverse);
    NAME(store)(sigmoid, NAME(choose)(z == z, slope, z));
}
