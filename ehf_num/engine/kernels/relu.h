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

/* Turn cotangents (n, width[layers]) into those of x, where they are asked for, and add those of the
   weights. */
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
            if (!l && !x_bars) break;
            NAME(multiply)(rows, next, here, bar, PITCH(next), net->layers.down[l], 0, spare, PITCH(here));
            if (l) FOR_UNITS(rows, here) {
                const ivec on = NAME(load)(input + u) > (REAL)0;
                NAME(store)(spare + u, NAME(choose)(on, NAME(load)(spare + u), (vec){0}));
            }
            REAL *const swap = bar;
            bar = spare, spare = swap;
        }
        for (long i = 0; x_bars && i < rows; i++)
            for (long j = 0; j < d; j++) x_bars[(start + i) * d + j] = bar[i * PITCH(d) + j];
    }
}

/* ---- a Gaussian's draw: p = μ(x) + σ(x) noise, σ a soft-plus, and ln h ---- */

#define HALF_LOG_2PI 0.91893853320467274178
#define SHIFT 0.54132485461291806890 /* soft-plus(SHIFT) = 1 */

/* Write σ and the slope of the soft-plus for outputs (n), which lie where the slopes go. */
static TARGET void NAME(draw_scales)(long n, REAL *scales, REAL *slopes) {
    for (long i = 0; i < n; i += VLEN) {
        const long count = n - i < VLEN ? n - i : VLEN;
        REAL z[VLEN_MOST] = {0}, slope[VLEN_MOST], scale[VLEN_MOST];
        for (long j = 0; j < count; j++) z[j] = slopes[i + j];
        NAME(activate)(NAME(load)(z) + (REAL)SHIFT, slope, scale);
        for (long j = 0; j < count; j++) scales[i + j] = scale[j], slopes[i + j] = slope[j];
    }
}

/* Draw for x, noise (n, d): drawn (n, d + 1) is p and, last, ln h. Kept are σ and the slopes, (n, d)
   each, and the tiles of μ's network and of σ's. */
static TARGET void NAME(draw_forward)(const NAME(relu) nets[2], long n, const REAL *x,
                                      const REAL *noise, REAL *drawn, REAL *scales, REAL *slopes,
                                      REAL *kept, long step) {
    const long d = nets->of->width[nets->of->layers], tiles_of_mean = (n + TILE - 1) / TILE;
    NAME(relu_forward)(nets, n, x, scales, kept, step); /* μ, for a while */
    for (long i = 0; i < n; i++)
        for (long j = 0; j < d; j++) drawn[i * (d + 1) + j] = scales[i * d + j];
    NAME(relu_forward)(nets + 1, n, x, slopes, kept + tiles_of_mean * step, step);
    NAME(draw_scales)(n * d, scales, slopes);
    for (long i = 0; i < n; i++) {
        REAL log_h = (REAL)(-HALF_LOG_2PI * (double)d);
        for (long j = 0; j < d; j++) {
            const REAL z = noise[i * d + j], scale = scales[i * d + j];
            drawn[i * (d + 1) + j] += scale * z;
            log_h -= LOGARITHM(scale) + (REAL)0.5 * z * z;
        }
        drawn[i * (d + 1) + d] = log_h;
    }
}

/* Add the weights' cotangents for those of drawn. */
static TARGET void NAME(draw_pull_back)(const NAME(relu) nets[2], long n, const REAL *noise,
                                        const REAL *scales, const REAL *slopes, const REAL *kept,
                                        long step, const REAL *drawn_bars,
                                        const NAME(layer_bars) bars[2]) {
    const long d = nets->of->width[nets->of->layers], tiles_of_mean = (n + TILE - 1) / TILE;
    REAL *const bar = nets->work + NAME(relu_work)(nets->of);
    for (int of_scale = 0; of_scale < 2; of_scale++)
        for (long start = 0, tile = 0; start < n; start += TILE, tile++) {
            const long rows = n - start < TILE ? n - start : TILE;
            for (long i = 0; i < rows; i++)
                for (long j = 0; j < d; j++) {
                    const long at = (start + i) * d + j;
                    const REAL p_bar = drawn_bars[(start + i) * (d + 1) + j];
                    const REAL log_bar = drawn_bars[(start + i) * (d + 1) + d];
                    bar[i * d + j] =
                        of_scale ? (p_bar * noise[at] - log_bar / scales[at]) * slopes[at] : p_bar;
                }
            NAME(relu_pull_back)(nets + of_scale, rows, kept + (of_scale * tiles_of_mean + tile) * step,
                                 step, bar, 0, bars + of_scale);
        }
}
