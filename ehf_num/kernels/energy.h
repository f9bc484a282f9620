/* The input gradient of a soft-plus network, and its pullback: energy_gradient.py has the formulas.

   Rows go through in tiles that stay in cache. What the pullback needs of a tile is kept in one
   block: x, then s_l for every hidden layer, and below the top a_l and P_l. */

#define TILE (IS_DOUBLE ? 24 : 48) /* rows */
#define NARROW 8                   /* inputs up to which products with W_1ᵀ are sums over a row */

typedef struct {
    long layers, width[MAX_LAYERS + 1];               /* of x and of the hidden layers */
    const REAL *up[MAX_LAYERS], *down[MAX_LAYERS];    /* W_l and W_lᵀ, packed; the last W_lᵀ times w */
    const REAL *bias[MAX_LAYERS], *first, *last;      /* b_l; rows of W_1; w */
    REAL *work;                                       /* of energy_work numbers, for one thread */
} NAME(energy);

typedef struct {
    REAL *sums[MAX_LAYERS], *bias[MAX_LAYERS], *last; /* cotangents of W_l, b_l and w, in panels */
} NAME(energy_bars);

/* The parts of a tile's kept block. */
typedef struct {
    REAL *x, *slope[MAX_LAYERS], *input[MAX_LAYERS], *product[MAX_LAYERS];
} NAME(energy_tile);

static long NAME(energy_kept)(const NAME(energy) *net) { /* numbers in a tile's block */
    long numbers = TILE * net->width[0];
    for (long l = 1; l <= net->layers; l++)
        numbers += (l < net->layers ? 3 : 1) * TILE * PITCH(net->width[l]);
    return numbers;
}

INLINE NAME(energy_tile) NAME(energy_open)(const NAME(energy) *net, REAL *block) {
    NAME(energy_tile) tile = {.x = block};
    block += TILE * net->width[0];
    for (long l = 0; l < net->layers; l++) {
        const long size = TILE * PITCH(net->width[l + 1]);
        tile.slope[l] = block, block += size;
        if (l == net->layers - 1) break;
        tile.input[l + 1] = block, block += size;
        tile.product[l] = block, block += size;
    }
    tile.product[net->layers - 1] = tile.slope[net->layers - 1];
    return tile;
}

static long NAME(energy_packed)(const long *width, long layers) { /* numbers in packed weights */
    long numbers = width[0] * PADDED(width[1]) + PADDED(width[layers]);
    for (long l = 0; l < layers; l++)
        numbers += width[l] * PADDED(width[l + 1]) + width[l + 1] * PADDED(width[l]) +
                   PADDED(width[l + 1]);
    return numbers;
}

/* Bind packed weights, after filling them from W_1, b_1, …, W_L, b_L, w where those are given. */
static TARGET REAL *NAME(energy_bind)(NAME(energy) *net, const long *width, long layers,
                                      const REAL *const *weights, REAL *to) {
    net->layers = layers;
    for (long l = 0; l <= layers; l++) net->width[l] = width[l];
    for (long l = 0; l < layers; l++) {
        const long fan_in = width[l], fan_out = width[l + 1];
        const REAL *W = weights ? weights[2 * l] : 0;
        const REAL *scale = weights && l == layers - 1 ? weights[2 * layers] : 0;
        net->up[l] = to, net->down[l] = to + fan_in * PADDED(fan_out);
        net->bias[l] = net->down[l] + fan_out * PADDED(fan_in);
        if (weights) {
            to = NAME(pack)(fan_in, fan_out, W, fan_out, 1, 0, to);
            to = NAME(pack)(fan_out, fan_in, W, 1, fan_out, scale, to);
            NAME(pack_row)(fan_out, weights[2 * l + 1], to);
        }
        to = (REAL *)net->bias[l] + PADDED(fan_out);
    }
    net->first = to, net->last = to + width[0] * PADDED(width[1]);
    if (weights) {
        /* Of one layer, W_1 is the top too: its rows carry w. */
        for (long j = 0; j < width[0]; j++) {
            NAME(pack_row)(width[1], weights[0] + j * width[1], to);
            if (layers == 1)
                for (long h = 0; h < width[1]; h++) to[h] *= weights[2][h];
            to += PADDED(width[1]);
        }
        NAME(pack_row)(width[layers], weights[2 * layers], to);
    }
    return (REAL *)net->last + PADDED(width[layers]);
}

/* out (rows, d) = A W_1ᵀ, A (rows, h_1). */
INLINE void NAME(energy_leave)(const NAME(energy) *net, long rows, const REAL *A, REAL *out) {
    const long d = net->width[0], h = net->width[1];
    if (d <= NARROW) {
        NAME(multiply_narrow)(rows, h, d, A, PITCH(h), net->first, PADDED(h), out);
        return;
    }
    NAME(multiply)(rows, h, d, A, PITCH(h), net->down[0], 0, net->work, PADDED(d));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) out[i * d + j] = net->work[i * PADDED(d) + j];
}

#define FOR_UNITS(rows, width)                                                                     \
    for (long i = 0; i < (rows) * PITCH(width); i += PITCH(width))                                 \
        for (long u = i; u < i + PADDED(width); u += VLEN)

/* Evaluate ∂energy/∂x at the x of a block, up to TILE rows, and keep what the pullback needs. */
static TARGET void NAME(energy_evaluate)(const NAME(energy) *net, long rows, REAL *block,
                                         REAL *out) {
    const NAME(energy_tile) tile = NAME(energy_open)(net, block);
    const long top = net->layers - 1;
    for (long l = 0; l <= top; l++) {
        const long above = net->width[l + 1], below = net->width[l];
        REAL *slope = tile.slope[l], *next = l < top ? tile.input[l + 1] : 0;
        NAME(multiply)(rows, below, above, l ? tile.input[l] : tile.x, l ? PITCH(below) : below,
                       net->up[l], net->bias[l], slope, PITCH(above));
        FOR_UNITS(rows, above) NAME(activate)(NAME(load)(slope + u), slope + u, next ? next + u : 0);
    }
    for (long l = top - 1; l >= 0; l--) {
        const long here = net->width[l + 1], above = net->width[l + 2];
        REAL *product = tile.product[l];
        NAME(multiply)(rows, above, here, tile.product[l + 1], PITCH(above), net->down[l + 1], 0,
                       product, PITCH(here));
        FOR_UNITS(rows, here)
        NAME(store)(product + u, NAME(load)(product + u) * NAME(load)(tile.slope[l] + u));
    }
    NAME(energy_leave)(net, rows, tile.product[0], out);
}

INLINE void NAME(add_rows)(long rows, long width, const REAL *from, REAL *sums) {
    for (long u = 0; u < PADDED(width); u += VLEN) {
        vec sum = NAME(load)(sums + u);
        for (long i = 0; i < rows; i++) sum += NAME(load)(from + i * PITCH(width) + u);
        NAME(store)(sums + u, sum);
    }
}

static long NAME(energy_work)(const NAME(energy) *net) { /* numbers that both passes work in */
    long numbers = TILE * PADDED(net->width[0]);
    for (long l = 1; l <= net->layers; l++) numbers += 3 * TILE * PITCH(net->width[l]);
    return numbers;
}

/* Pull a cotangent (rows, d) back to x, where out is given, and add what it is for the weights. */
static TARGET void NAME(energy_pull_back)(const NAME(energy) *net, long rows, const REAL *block,
                                          const REAL *cotangent, REAL *out,
                                          const NAME(energy_bars) *bars) {
    const NAME(energy_tile) tile = NAME(energy_open)(net, (REAL *)block);
    const long top = net->layers - 1;
    REAL *gain[MAX_LAYERS] = {0}, *bar[MAX_LAYERS], *tangent[MAX_LAYERS];
    REAL *work = net->work + TILE * PADDED(net->width[0]);
    for (long l = 0; l <= top; l++) {
        const long above = net->width[l + 1], below = net->width[l], size = TILE * PITCH(above);
        gain[l] = work, bar[l] = work + size, tangent[l] = work + 2 * size;
        work += 3 * size;
        const REAL *slope = tile.slope[l], *product = tile.product[l];
        NAME(multiply)(rows, below, above, l ? tangent[l - 1] : cotangent, l ? PITCH(below) : below,
                       net->up[l], 0, gain[l], PITCH(above));
        FOR_UNITS(rows, above) {
            const vec rise = NAME(load)(gain[l] + u), s = NAME(load)(slope + u);
            if (l < top) {
                NAME(store)(tangent[l] + u, rise * s);
                NAME(store)(gain[l] + u, rise * NAME(load)(product + u));
            } else {
                NAME(store)(gain[l] + u, rise * s);
                NAME(store)(bar[l] + u, rise * s * ((REAL)1 - s));
            }
        }
    }
    NAME(add_rows)(rows, net->width[top + 1], gain[top], bars->last);
    for (long l = top; l >= 0; l--) {
        const long here = net->width[l + 1], below = net->width[l];
        if (l < top) {
            const long above = net->width[l + 2];
            NAME(multiply)(rows, above, here, bar[l + 1], PITCH(above), net->down[l + 1], 0, bar[l],
                           PITCH(here));
            FOR_UNITS(rows, here) {
                const vec g = NAME(load)(gain[l] + u), z = NAME(load)(bar[l] + u);
                NAME(store)(bar[l] + u, g + NAME(load)(tile.slope[l] + u) * (z - g));
            }
        }
        NAME(add_rows)(rows, here, bar[l], bars->bias[l]);
        NAME(add_outer)(rows, below, here, l ? tile.input[l] : tile.x, l ? PITCH(below) : below,
                        bar[l], PITCH(here), l ? tangent[l - 1] : cotangent,
                        l ? PITCH(below) : below, tile.product[l], PITCH(here), bars->sums[l]);
    }
    if (out) NAME(energy_leave)(net, rows, bar[0], out);
}

static long NAME(energy_bars_size)(const long *width, long layers) {
    long numbers = PADDED(width[layers]);
    for (long l = 0; l < layers; l++) numbers += (width[l] + 1) * PADDED(width[l + 1]);
    return numbers;
}

static TARGET REAL *NAME(energy_open_bars)(NAME(energy_bars) *bars, const NAME(energy) *net,
                                           REAL *from) {
    for (long l = 0; l < net->layers; l++) {
        const long fan_out = PADDED(net->width[l + 1]);
        bars->sums[l] = from, bars->bias[l] = from + net->width[l] * fan_out;
        from = bars->bias[l] + fan_out;
    }
    bars->last = from;
    return from + PADDED(net->width[net->layers]);
}

/* Write the cotangents of W_1, b_1, …, W_L, b_L, w in a row; those of the top layer get their w. */
static TARGET REAL *NAME(energy_write_bars)(const NAME(energy) *net, const NAME(energy_bars) *bars,
                                            REAL *to) {
    for (long l = 0; l < net->layers; l++) {
        const long fan_out = net->width[l + 1];
        const int top = l == net->layers - 1;
        for (long k = 0; k <= net->width[l]; k++) { /* b_l follows W_l in both places */
            const REAL *from = bars->sums[l] + k * PADDED(fan_out);
            for (long j = 0; j < fan_out; j++) *to++ = top ? from[j] * net->last[j] : from[j];
        }
    }
    for (long j = 0; j < net->width[net->layers]; j++) *to++ = bars->last[j];
    return to;
}

/* Evaluate x (n, d): out (n, d). A step of 0 keeps nothing: one block serves all tiles. */
static TARGET void NAME(energy_forward)(const NAME(energy) *net, long n, const REAL *x, REAL *out,
                                        REAL *kept, long step) {
    const long d = net->width[0];
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        for (long i = 0; i < rows * d; i++) kept[i] = x[start * d + i];
        NAME(energy_evaluate)(net, rows, kept, out + start * d);
    }
}
