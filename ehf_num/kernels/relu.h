/* A relu network, linear in its last layer, and its pullback.

   Kept of a tile: x, then a_l for every hidden layer. */

typedef struct {
    const shape *of;
    NAME(layers) layers;
    REAL *work; /* of relu_work numbers, for one thread */
} NAME(relu);

static long NAME(relu_kept)(const shape *of) {
    long numbers = 0;
    for (long l = 0; l < of->layers; l++) numbers += TILE * PITCH(of->width[l]);
    return numbers;
}

static long NAME(relu_work)(const shape *of) {
    long widest = 0;
    for (long l = 0; l <= of->layers; l++)
        if (PITCH(of->width[l]) > widest) widest = PITCH(of->width[l]);
    return 2 * TILE * widest;
}

/* Evaluate x (n, width[0]): out (n, width[layers]). A step of 0 keeps nothing. */
static TARGET void NAME(relu_forward)(const NAME(relu) *net, long n, const REAL *x, REAL *out,
                                      REAL *kept, long step) {
    const shape *of = net->of;
    const long L = of->layers, d = of->width[0], m = of->width[L];
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        REAL *below = kept;
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < d; j++) below[i * PITCH(d) + j] = x[(start + i) * d + j];
        for (long l = 0; l < L; l++) {
            const long here = of->width[l], next = of->width[l + 1];
            REAL *above = l < L - 1 ? below + TILE * PITCH(here) : net->work;
            NAME(multiply)(rows, here, next, below, PITCH(here), net->layers.up[l], net->layers.bias[l], above,
                           PITCH(next));
            if (l < L - 1) FOR_UNITS(rows, next) {
                const vec z = NAME(load)(above + u);
                NAME(store)(above + u, NAME(choose)(z < (REAL)0, (vec){0}, z));
            }
            below = above;
        }
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < m; j++) out[(start + i) * m + j] = below[i * PITCH(m) + j];
    }
}

/* Turn cotangents (n, width[layers]) into those of x, and add those of the weights. */
static TARGET void NAME(relu_pull_back)(const NAME(relu) *net, long n, const REAL *kept, long step,
                                        const REAL *out_bars, REAL *x_bars,
                                         const NAME(layer_bars) *bars) {
    const shape *of = net->of;
    const long L = of->layers, d = of->width[0], m = of->width[L];
    REAL *const other = net->work + NAME(relu_work)(of) / 2;
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        REAL *bar = net->work, *spare = other;
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < PADDED(m); j++)
                bar[i * PITCH(m) + j] = j < m ? out_bars[(start + i) * m + j] : 0;
        const REAL *input = kept + NAME(relu_kept)(of);
        for (long l = L - 1; l >= 0; l--) {
            const long here = of->width[l], next = of->width[l + 1];
            input -= TILE * PITCH(here);
            NAME(add_rows)(rows, next, bar, bars->bias[l]);
            NAME(add_outer)(rows, here, next, input, PITCH(here), bar, PITCH(next), 0, 0, 0, 0,
                            bars->sums[l]);
            NAME(multiply)(rows, next, here, bar, PITCH(next), net->layers.down[l], 0, spare, PITCH(here));
            if (l) FOR_UNITS(rows, here) {
                const ivec on = NAME(load)(input + u) > (REAL)0;
                NAME(store)(spare + u, NAME(choose)(on, NAME(load)(spare + u), (vec){0}));
            }
            REAL *const swap = bar;
            bar = spare, spare = swap;
        }
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < d; j++) x_bars[(start + i) * d + j] = bar[i * PITCH(d) + j];
    }
}
