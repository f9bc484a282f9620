/* A relu network, linear in its last layer, and its pullback.

   Kept of a tile: x, then a_l for every hidden layer. */

typedef struct {
    long layers, width[MAX_LAYERS + 1];
    const REAL *up[MAX_LAYERS], *down[MAX_LAYERS], *bias[MAX_LAYERS];
    REAL *work; /* of relu_work numbers, for one thread */
} NAME(relu);

static long NAME(relu_packed)(const long *width, long layers) {
    long numbers = 0;
    for (long l = 0; l < layers; l++)
        numbers += width[l] * PADDED(width[l + 1]) + width[l + 1] * PADDED(width[l]) +
                   PADDED(width[l + 1]);
    return numbers;
}

static TARGET void NAME(relu_bind)(NAME(relu) *net, const long *width, long layers,
                                   const REAL *const *weights, REAL *to) {
    net->layers = layers;
    for (long l = 0; l <= layers; l++) net->width[l] = width[l];
    for (long l = 0; l < layers; l++) {
        const long fan_in = width[l], fan_out = width[l + 1];
        net->up[l] = to, net->down[l] = to + fan_in * PADDED(fan_out);
        net->bias[l] = net->down[l] + fan_out * PADDED(fan_in);
        if (weights) {
            to = NAME(pack)(fan_in, fan_out, weights[2 * l], fan_out, 1, 0, to);
            to = NAME(pack)(fan_out, fan_in, weights[2 * l], 1, fan_out, 0, to);
            NAME(pack_row)(fan_out, weights[2 * l + 1], to);
        }
        to = (REAL *)net->bias[l] + PADDED(fan_out);
    }
}

static long NAME(relu_kept)(const NAME(relu) *net) {
    long numbers = 0;
    for (long l = 0; l < net->layers; l++) numbers += TILE * PITCH(net->width[l]);
    return numbers;
}

static long NAME(relu_work)(const NAME(relu) *net) {
    long widest = 0;
    for (long l = 0; l <= net->layers; l++)
        if (PITCH(net->width[l]) > widest) widest = PITCH(net->width[l]);
    return 2 * TILE * widest;
}

/* Evaluate x (n, width[0]): out (n, width[layers]). A step of 0 keeps nothing. */
static TARGET void NAME(relu_forward)(const NAME(relu) *net, long n, const REAL *x, REAL *out,
                                      REAL *kept, long step) {
    const long L = net->layers, d = net->width[0], m = net->width[L];
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        REAL *below = kept;
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < d; j++) below[i * PITCH(d) + j] = x[(start + i) * d + j];
        for (long l = 0; l < L; l++) {
            const long here = net->width[l], next = net->width[l + 1];
            REAL *above = l < L - 1 ? below + TILE * PITCH(here) : net->work;
            NAME(multiply)(rows, here, next, below, PITCH(here), net->up[l], net->bias[l], above,
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

/* Turn cotangents (n, width[layers]) into those of x, and add those of the weights, which are given
   as W_1, b_1, … in panels. */
static TARGET void NAME(relu_pull_back)(const NAME(relu) *net, long n, const REAL *kept, long step,
                                        const REAL *out_bars, REAL *x_bars, REAL *const *bars) {
    const long L = net->layers, d = net->width[0], m = net->width[L];
    REAL *const other = net->work + NAME(relu_work)(net) / 2;
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        REAL *bar = net->work, *spare = other;
        for (long i = 0; i < rows; i++)
            for (long j = 0; j < PADDED(m); j++)
                bar[i * PITCH(m) + j] = j < m ? out_bars[(start + i) * m + j] : 0;
        const REAL *input = kept + NAME(relu_kept)(net);
        for (long l = L - 1; l >= 0; l--) {
            const long here = net->width[l], next = net->width[l + 1];
            input -= TILE * PITCH(here);
            NAME(add_rows)(rows, next, bar, bars[2 * l + 1]);
            NAME(add_outer)(rows, here, next, input, PITCH(here), bar, PITCH(next), 0, 0, 0, 0,
                            bars[2 * l]);
            NAME(multiply)(rows, next, here, bar, PITCH(next), net->down[l], 0, spare, PITCH(here));
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
