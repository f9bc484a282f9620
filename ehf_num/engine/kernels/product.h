/* Matrix products of a tile of rows with a matrix that was packed for them.

   A packed matrix (K, N) lies in panels of two vectors' columns, each (K, WIDE), the last filled up
   with zeros, so that the innermost loop reads it in order. Results have room for whole panels, and
   a cache line more (PITCH), without which the rows of a column would fall on the same cache sets. */

#define WIDE (2 * VLEN)
#define PANELS(n) (((n) + WIDE - 1) / WIDE)
#define PADDED(n) (PANELS(n) * WIDE)
#define PITCH(n) (PADDED(n) + 64 / (long)sizeof(REAL))
#define TALL 6 /* rows of a block: with two vectors each, what sixteen registers hold */

/* acc += A B, A (m, K) with strides (row, step), B (K, WIDE) with rows `pitch` apart. */
INLINE void NAME(multiply_block)(int m, long K, const REAL *A, long row, long step, const REAL *B,
                                 long pitch, vec acc[TALL][2]) {
    for (long k = 0; k < K; k++) {
        const vec left = NAME(load)(B + k * pitch), right = NAME(load)(B + k * pitch + VLEN);
        for (int i = 0; i < m; i++) {
            const vec a = NAME(all)(A[i * row + k * step]);
            acc[i][0] += a * left;
            acc[i][1] += a * right;
        }
    }
}

INLINE void NAME(row_block)(int m, long K, const REAL *A, long lda, const REAL *panel,
                            const REAL *bias, REAL *C, long ldc) {
    vec acc[TALL][2];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++) acc[i][j] = bias ? NAME(load)(bias + j * VLEN) : (vec){0};
    NAME(multiply_block)(m, K, A, lda, 1, panel, WIDE, acc);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++) NAME(store)(C + i * ldc + j * VLEN, acc[i][j]);
}

INLINE void NAME(column_block)(int m, long rows, const REAL *X, long ldx, const REAL *Y, long ldy,
                               const REAL *R, long ldr, const REAL *P, long ldp, REAL *G,
                               long ldg) {
    vec acc[TALL][2];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++) acc[i][j] = NAME(load)(G + i * ldg + j * VLEN);
    NAME(multiply_block)(m, rows, X, 1, ldx, Y, ldy, acc);
    if (R) NAME(multiply_block)(m, rows, R, 1, ldr, P, ldp, acc);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++) NAME(store)(G + i * ldg + j * VLEN, acc[i][j]);
}

#define FOR_ANY_HEIGHT(left, call)                                                                 \
    switch (left) {                                                                                \
    case 1: { enum { m = 1 }; call; break; }                                                       \
    case 2: { enum { m = 2 }; call; break; }                                                       \
    case 3: { enum { m = 3 }; call; break; }                                                       \
    case 4: { enum { m = 4 }; call; break; }                                                       \
    case 5: { enum { m = 5 }; call; break; }                                                       \
    default: { enum { m = TALL }; call; break; }                                                   \
    }

/* C = A B + bias: A (rows, K), B packed, bias (PADDED(N)) or none. */
static TARGET void NAME(multiply)(long rows, long K, long N, const REAL *A, long lda,
                                  const REAL *packed, const REAL *bias, REAL *C, long ldc) {
    for (long j = 0; j < PANELS(N); j++) {
        const REAL *panel = packed + j * K * WIDE, *start = bias ? bias + j * WIDE : 0;
        for (long i = 0; i < rows; i += TALL)
            FOR_ANY_HEIGHT(rows - i, NAME(row_block)(m, K, A + i * lda, lda, panel, start,
                                                     C + i * ldc + j * WIDE, ldc))
    }
}

/* G += Xᵀ Y + Rᵀ P: X, R (rows, M), Y, P (rows, PADDED(N)), G (M, PADDED(N)); R may be none. */
static TARGET void NAME(add_outer)(long rows, long M, long N, const REAL *X, long ldx,
                                   const REAL *Y, long ldy, const REAL *R, long ldr, const REAL *P,
                                   long ldp, REAL *G) {
    for (long j = 0; j < PANELS(N) * WIDE; j += WIDE)
        for (long i = 0; i < M; i += TALL)
            FOR_ANY_HEIGHT(M - i, NAME(column_block)(m, rows, X + i, ldx, Y + j, ldy, R ? R + i : 0,
                                                     ldr, P ? P + j : 0, ldp,
                                                     G + i * PADDED(N) + j, PADDED(N)))
}

/* out[r][j] = Σ_h A[r][h] W[j][h], for so few columns that a panel would be mostly zeros. */
static TARGET void NAME(multiply_narrow)(long rows, long K, long columns, const REAL *A, long lda,
                                         const REAL *W, long ldw, REAL *out) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) {
            vec even = {0}, odd = {0};
            for (long h = 0; h < PADDED(K); h += WIDE) {
                even += NAME(load)(A + i * lda + h) * NAME(load)(W + j * ldw + h);
                odd += NAME(load)(A + i * lda + h + VLEN) * NAME(load)(W + j * ldw + h + VLEN);
            }
            out[i * columns + j] = NAME(total)(even + odd);
        }
}

/* Pack B (K, N), whose rows lie one after the other. */
static TARGET void NAME(pack)(long K, long N, const REAL *B, REAL *to) {
    for (long j = 0; j < PADDED(N); j += WIDE)
        for (long k = 0; k < K; k++, to += WIDE) {
            const long columns = N - j < WIDE ? N - j : WIDE;
            for (long c = 0; c < columns; c++) to[c] = B[k * N + j + c];
            for (long c = columns; c < WIDE; c++) to[c] = 0;
        }
}

/* Pack the transpose (K, N) of B (N, K), each of its rows times a scale where there is one. */
static TARGET void NAME(pack_transpose)(long K, long N, const REAL *B, const REAL *scale, REAL *to) {
    for (long j = 0; j < PADDED(N); j += WIDE, to += K * WIDE)
        for (long c = 0; c < WIDE; c++) {
            const REAL *from = B + (j + c) * K;
            if (j + c >= N)
                for (long k = 0; k < K; k++) to[k * WIDE + c] = 0;
            else if (scale)
                for (long k = 0; k < K; k++) to[k * WIDE + c] = from[k] * scale[k];
            else
                for (long k = 0; k < K; k++) to[k * WIDE + c] = from[k];
        }
}

static TARGET REAL *NAME(pack_row)(long n, const REAL *from, REAL *to) {
    for (long i = 0; i < PADDED(n); i++) to[i] = i < n ? from[i] : 0;
    return to + PADDED(n);
}

#define FOR_UNITS(rows, width)                                                                     \
    for (long i = 0; i < (rows) * PITCH(width); i += PITCH(width))                                 \
        for (long u = i; u < i + PADDED(width); u += VLEN)

/* sums (PADDED(width)) += Σ of rows. */
INLINE void NAME(add_rows)(long rows, long width, const REAL *from, REAL *sums) {
    for (long u = 0; u < PADDED(width); u += VLEN) {
        vec sum = NAME(load)(sums + u);
        for (long i = 0; i < rows; i++) sum += NAME(load)(from + i * PITCH(width) + u);
        NAME(store)(sums + u, sum);
    }
}

/* ---- the layers of a network ---- */

typedef struct {
    const REAL *up[MAX_LAYERS], *down[MAX_LAYERS]; /* W_l and W_lᵀ, packed */
    const REAL *bias[MAX_LAYERS];                  /* b_l */
} NAME(layers);

typedef struct {
    REAL *sums[MAX_LAYERS], *bias[MAX_LAYERS]; /* cotangents of W_l and b_l, in panels */
} NAME(layer_bars);

static long NAME(layers_packed)(const shape *of) {
    long numbers = 0;
    for (long l = 0; l < of->layers; l++) {
        const long fan_in = of->width[l], fan_out = of->width[l + 1];
        numbers += (fan_in + 1) * PADDED(fan_out) + fan_out * PADDED(fan_in);
    }
    return numbers;
}

static long NAME(layer_bars_size)(const shape *of) {
    long numbers = 0;
    for (long l = 0; l < of->layers; l++) numbers += (of->width[l] + 1) * PADDED(of->width[l + 1]);
    return numbers;
}

/* Bind packed layers, after filling them from W_1, b_1, … where those are given; the last W_lᵀ has
   its rows scaled where there is a scale. Returns what follows them. */
static TARGET REAL *NAME(bind_layers)(NAME(layers) *net, const shape *of,
                                      const REAL *const *weights, const REAL *scale, REAL *to) {
    for (long l = 0; l < of->layers; l++) {
        const long fan_in = of->width[l], fan_out = of->width[l + 1];
        REAL *const down = to + fan_in * PADDED(fan_out);
        REAL *const bias = down + fan_out * PADDED(fan_in);
        if (weights) {
            NAME(pack)(fan_in, fan_out, weights[2 * l], to);
            NAME(pack_transpose)(fan_out, fan_in, weights[2 * l],
                                 l == of->layers - 1 ? scale : 0, down);
            NAME(pack_row)(fan_out, weights[2 * l + 1], bias);
        }
        net->up[l] = to, net->down[l] = down, net->bias[l] = bias;
        to = bias + PADDED(fan_out);
    }
    return to;
}

static TARGET REAL *NAME(bind_layer_bars)(NAME(layer_bars) *bars, const shape *of, REAL *from) {
    for (long l = 0; l < of->layers; l++) {
        const long fan_out = PADDED(of->width[l + 1]);
        bars->sums[l] = from, bars->bias[l] = from + of->width[l] * fan_out;
        from = bars->bias[l] + fan_out;
    }
    return from;
}

/* Write the cotangents of W_1, b_1, … in a row; those of the last layer times scale, if any. */
static TARGET REAL *NAME(write_layer_bars)(const NAME(layer_bars) *bars, const shape *of,
                                           const REAL *scale, REAL *to) {
    for (long l = 0; l < of->layers; l++) {
        const long fan_out = of->width[l + 1];
        const REAL *factors = l == of->layers - 1 ? scale : 0;
        for (long k = 0; k <= of->width[l]; k++) { /* b_l follows W_l in both places */
            const REAL *from = bars->sums[l] + k * PADDED(fan_out);
            if (factors)
                for (long j = 0; j < fan_out; j++) to[j] = from[j] * factors[j];
            else
                for (long j = 0; j < fan_out; j++) to[j] = from[j];
            to += fan_out;
        }
    }
    return to;
}
