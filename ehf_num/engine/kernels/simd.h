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

/* ROUNDER: adding it rounds to an integer k, and leaves k and the bias of exponents in the low bits.
   ARTANH: ln((1 + s) / (1 - s)) / s in powers of s² up to 1/9, with the least relative error by
   Remez's exchange: 5e-17, and 4e-9 for float. */
#if IS_DOUBLE
#define LOWEST (-708.0) /* exp of it is still a normal number */
#define ROUNDER (6755399441055744.0 + 1023) /* 1.5 * 2^52 */
#define MANTISSA 52
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_TERMS 13
#define ARTANH                                                                                     \
    {2.0, 0.66666666666683297984, 0.39999999995113533850, 0.28571429127770446912,                  \
     0.22222190114383709920, 0.18182879246882222926, 0.15363378915399671806,                       \
     0.13593954665778271152, 0.09868062087145224868, 0.17806237038017682771}
#define ARTANH_TERMS 10
#else
#define LOWEST (-87.0f)
#define ROUNDER (12582912.0f + 127) /* 1.5 * 2^23 */
#define MANTISSA 23
#define LN2_HIGH 6.93359375e-1f
#define LN2_LOW (-2.12194440e-4f)
#define EXP_TERMS 8
#define ARTANH {2.00000000808, 0.666663101449, 0.400251143238, 0.279576657946, 0.281915472234}
#define ARTANH_TERMS 5
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

/* exp(y) for y <= 0: 2^k times the Taylor polynomial at |r| <= ln(2) / 2, and 0 below LOWEST. The
   power is multiplied, not added to the bits, so that NaN stays NaN. */
INLINE vec NAME(exp_of_negative)(vec y) {
    static const double inverse_factorial[] = {
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};
    const vec shifted = y * (REAL)1.44269504088896340736 + (REAL)ROUNDER;
    const vec k = shifted - (REAL)ROUNDER;
    const vec r = (y - k * (REAL)LN2_HIGH) - k * (REAL)LN2_LOW;
    const vec power = (vec)((ivec)shifted << MANTISSA);
    const vec exponential = NAME(polynomial)(r, inverse_factorial, EXP_TERMS) * power;
    return (vec)((ivec)exponential & ~(y < (REAL)LOWEST));
}

/* Write sigmoid(z), and soft-plus(z) = max(z, 0) + log(1 + t) where it is asked for, t = exp(-|z|).
   The logarithm is 2 artanh(t / (2 + t)); its division and that of the sigmoid are one. NaN stays
   NaN. */
INLINE void NAME(activate)(vec z, REAL *sigmoid, REAL *softplus) {
    static const double artanh[] = ARTANH;
    const ivec negative = z < (REAL)0, sign = (ivec)NAME(all)((REAL)-0.0);
    const vec t = NAME(exp_of_negative)((vec)((ivec)z | sign)), one = t + (REAL)1;
    vec inverse;
    if (softplus) {
        const vec two = t + (REAL)2, both = (REAL)1 / (one * two), s = t * one * both;
        const vec positive = (vec)((ivec)z & ~negative);
        inverse = two * both;
        NAME(store)(softplus, s * NAME(polynomial)(s * s, artanh, ARTANH_TERMS) + positive);
    } else
        inverse = (REAL)1 / one;
    NAME(store)(sigmoid, NAME(choose)(negative, t * inverse, inverse));
}
