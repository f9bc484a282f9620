/* The input gradient of a soft-plus network, and its pullback: energy_gradient.py has the formulas.

   Rows go through in tiles that stay in cache. What the pullback needs of a tile is kept in one
   block: x, then s_l for every hidden layer, and below the top a_l and P_l. */

#define TILE (IS_DOUBLE ? 24 : 48) /* rows */
#define NARROW 8                   /* inputs up to which products with W_1ᵀ are sums over a row */

typedef struct {
    const shape *of;
    NAME(layers) layers;       /* the last W_lᵀ times w */
    const REAL *first, *last;  /* rows of W_1; w */
    const REAL *forms, *slopes; /* of features: A_k, b_k */
    /* of windows.h alone */
    NAME(layers) site;
    const REAL *site_last, *shift, *to_forms, *from_forms, *centres, *inside, *lengths, *kinds, *edges,
        *site_kinds;
    REAL *work;                /* of energy_work numbers, for one thread */
} NAME(energy);

typedef struct {
    NAME(layer_bars) layers;
    REAL *last; /* cotangents of w */
    NAME(layer_bars) site;
    REAL *site_last, *shift;
} NAME(energy_bars);

/* The parts of a tile's kept block. */
typedef struct {
    REAL *x, *slope[MAX_LAYERS], *input[MAX_LAYERS], *product[MAX_LAYERS];
} NAME(energy_tile);

static long NAME(energy_kept)(const shape *of) { /* numbers in a tile's block */
    long numbers = TILE * of->width[0];
    for (long l = 1; l <= of->layers; l++)
        numbers += (l < of->layers ? 3 : 1) * TILE * PITCH(of->width[l]);
    return numbers;
}

INLINE NAME(energy_tile) NAME(energy_open)(const shape *of, REAL *block) {
    NAME(energy_tile) tile = {.x = block};
    block += TILE * of->width[0];
    for (long l = 0; l < of->layers; l++) {
        const long size = TILE * PITCH(of->width[l + 1]);
        tile.slope[l] = block, block += size;
        if (l == of->layers - 1) break;
        tile.input[l + 1] = block, block += size;
        tile.product[l] = block, block += size;
    }
    tile.product[of->layers - 1] = tile.slope[of->layers - 1];
    return tile;
}

static long NAME(energy_packed)(const shape *of) { /* numbers in packed weights */
    const long features = of->featured ? of->width[0] * of->dim : 0;
    return NAME(layers_packed)(of) + of->width[0] * PADDED(of->width[1]) +
           PADDED(of->width[of->layers]) + features * (of->dim + 1);
}

static long NAME(energy_bars_size)(const shape *of) {
    return NAME(layer_bars_size)(of) + PADDED(of->width[of->layers]);
}

/* Bind packed weights, after filling them from W_1, b_1, …, W_L, b_L, w, and A, b of features, where
   those are given. Returns their end. */
static TARGET REAL *NAME(energy_bind)(NAME(energy) *net, const shape *of,
                                      const REAL *const *weights, REAL *to) {
    const long L = of->layers, inputs = of->width[0];
    const long features = of->featured ? inputs * of->dim : 0;
    net->of = of;
    to = NAME(bind_layers)(&net->layers, of, weights, weights ? weights[2 * L] : 0, to);
    net->first = to, net->last = to + inputs * PADDED(of->width[1]);
    net->forms = net->last + PADDED(of->width[L]), net->slopes = net->forms + features * of->dim;
    if (weights) {
        /* Of one layer, W_1 is the top too: its rows carry w. */
        for (long j = 0; j < inputs; j++) {
            NAME(pack_row)(of->width[1], weights[0] + j * of->width[1], to);
            if (L == 1)
                for (long h = 0; h < of->width[1]; h++) to[h] *= weights[2][h];
            to += PADDED(of->width[1]);
        }
        to = NAME(pack_row)(of->width[L], weights[2 * L], to);
        for (long i = 0; i < features * of->dim; i++) *to++ = weights[2 * L + 1][i];
        for (long i = 0; i < features; i++) *to++ = weights[2 * L + 2][i];
    }
    return (REAL *)net->slopes + features;
}

/* out (rows, d) = A W_1ᵀ, A (rows, h_1). */
INLINE void NAME(energy_leave)(const NAME(energy) *net, long rows, const REAL *A, REAL *out) {
    const long d = net->of->width[0], h = net->of->width[1];
    if (d <= NARROW) {
        NAME(multiply_narrow)(rows, h, d, A, PITCH(h), net->first, PADDED(h), out);
        return;
    }
    NAME(multiply)(rows, h, d, A, PITCH(h), net->layers.down[0], 0, net->work, PADDED(d));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) out[i * d + j] = net->work[i * PADDED(d) + j];
}

/* Evaluate ∂energy/∂x at the x of a block, up to TILE rows, and keep what the pullback needs. */
static TARGET void NAME(energy_evaluate)(const NAME(energy) *net, long rows, REAL *block,
                                         REAL *out) {
    const shape *of = net->of;
    const NAME(energy_tile) tile = NAME(energy_open)(of, block);
    const long top = of->layers - 1;
    for (long l = 0; l <= top; l++) {
        const long above = of->width[l + 1], below = of->width[l];
        REAL *slope = tile.slope[l], *next = l < top ? tile.input[l + 1] : 0;
        NAME(multiply)(rows, below, above, l ? tile.input[l] : tile.x, l ? PITCH(below) : below,
                       net->layers.up[l], net->layers.bias[l], slope, PITCH(above));
        FOR_UNITS(rows, above) NAME(activate)(NAME(load)(slope + u), slope + u, next ? next + u : 0);
    }
    for (long l = top - 1; l >= 0; l--) {
        const long here = of->width[l + 1], above = of->width[l + 2];
        REAL *product = tile.product[l];
        NAME(multiply)(rows, above, here, tile.product[l + 1], PITCH(above), net->layers.down[l + 1], 0,
                       product, PITCH(here));
        FOR_UNITS(rows, here)
        NAME(store)(product + u, NAME(load)(product + u) * NAME(load)(tile.slope[l] + u));
    }
    NAME(energy_leave)(net, rows, tile.product[0], out);
}

static long NAME(energy_work)(const shape *of) { /* numbers that both passes work in */
    long numbers = TILE * PADDED(of->width[0]);
    for (long l = 1; l <= of->layers; l++) numbers += 3 * TILE * PITCH(of->width[l]);
    return numbers;
}

/* Pull a cotangent (rows, d) back to x, where out is given, and add what it is for the weights. */
static TARGET void NAME(energy_pull_back)(const NAME(energy) *net, long rows, const REAL *block,
                                          const REAL *cotangent, REAL *out,
                                          const NAME(energy_bars) *bars) {
    const shape *of = net->of;
    const NAME(energy_tile) tile = NAME(energy_open)(of, (REAL *)block);
    const long top = of->layers - 1;
    REAL *gain[MAX_LAYERS] = {0}, *bar[MAX_LAYERS], *tangent[MAX_LAYERS];
    REAL *work = net->work + TILE * PADDED(of->width[0]);
    for (long l = 0; l <= top; l++) {
        const long above = of->width[l + 1], below = of->width[l], size = TILE * PITCH(above);
        gain[l] = work, bar[l] = work + size, tangent[l] = work + 2 * size;
        work += 3 * size;
        const REAL *slope = tile.slope[l], *product = tile.product[l];
        NAME(multiply)(rows, below, above, l ? tangent[l - 1] : cotangent, l ? PITCH(below) : below,
                       net->layers.up[l], 0, gain[l], PITCH(above));
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
    NAME(add_rows)(rows, of->width[top + 1], gain[top], bars->last);
    for (long l = top; l >= 0; l--) {
        const long here = of->width[l + 1], below = of->width[l];
        if (l < top) {
            const long above = of->width[l + 2];
            NAME(multiply)(rows, above, here, bar[l + 1], PITCH(above), net->layers.down[l + 1], 0, bar[l],
                           PITCH(here));
            FOR_UNITS(rows, here) {
                const vec g = NAME(load)(gain[l] + u), z = NAME(load)(bar[l] + u);
                NAME(store)(bar[l] + u, g + NAME(load)(tile.slope[l] + u) * (z - g));
            }
        }
        NAME(add_rows)(rows, here, bar[l], bars->layers.bias[l]);
        NAME(add_outer)(rows, below, here, l ? tile.input[l] : tile.x, l ? PITCH(below) : below,
                        bar[l], PITCH(here), l ? tangent[l - 1] : cotangent,
                        l ? PITCH(below) : below, tile.product[l], PITCH(here), bars->layers.sums[l]);
    }
    if (out) NAME(energy_leave)(net, rows, bar[0], out);
}

static TARGET REAL *NAME(energy_bind_bars)(NAME(energy_bars) *bars, const shape *of, REAL *from) {
    bars->last = NAME(bind_layer_bars)(&bars->layers, of, from);
    return bars->last + PADDED(of->width[of->layers]);
}

/* Write the cotangents of W_1, b_1, …, W_L, b_L, w in a row; those of the top layer get their w. */
static TARGET REAL *NAME(energy_write_bars)(const NAME(energy) *net, const NAME(energy_bars) *bars,
                                            REAL *to) {
    to = NAME(write_layer_bars)(&bars->layers, net->of, net->last, to);
    for (long j = 0; j < net->of->width[net->of->layers]; j++) *to++ = bars->last[j];
    return to;
}
