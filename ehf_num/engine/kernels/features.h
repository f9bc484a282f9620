/* Energies of quadratic functions of x: inputs y_k = ½ xᵀA_k x + b_k·x, A_k symmetric.

   With s = ∂energy/∂y the gradient is Σ_k s_k J_k, J_k = A_k x + b_k, and a cotangent v turns into
   v·J_k for s_k, which the network pulls back to y, and x̄ = Σ_k s_k A_k v + ȳ_k J_k.
   Kept of a tile: x, and where there are features J, s and the network's own block, which begins
   with y. */

/* The parts of a tile's kept block. */
typedef struct {
    REAL *x, *jacobian, *slope, *network;
} NAME(gradient_tile);

INLINE NAME(gradient_tile) NAME(gradient_open)(const shape *of, REAL *block) {
    NAME(gradient_tile) tile = {.x = block, .network = block};
    if (of->featured) {
        tile.jacobian = block + TILE * of->dim;
        tile.slope = tile.jacobian + TILE * of->width[0] * of->dim;
        tile.network = tile.slope + TILE * of->width[0];
    }
    return tile;
}

static long NAME(gradient_kept)(const shape *of) {
    if (of->windows) return NAME(window_kept)(of);
    return NAME(energy_kept)(of) +
           (of->featured ? TILE * (of->dim + of->width[0] * (of->dim + 1)) : 0);
}

static long NAME(gradient_work)(const shape *of) {
    if (of->windows) return NAME(window_work)(of);
    return NAME(energy_work)(of) + (of->featured ? 2 * TILE * of->width[0] : 0);
}

static long NAME(gradient_packed)(const shape *of) {
    return of->windows ? NAME(window_packed)(of) : NAME(energy_packed)(of);
}

static long NAME(gradient_bars_size)(const shape *of) {
    return of->windows ? NAME(window_bars_size)(of) : NAME(energy_bars_size)(of);
}

static REAL *NAME(gradient_bind)(NAME(energy) *net, const shape *of, const REAL *const *weights,
                                 REAL *to) {
    return of->windows ? NAME(window_bind)(net, of, weights, to)
                       : NAME(energy_bind)(net, of, weights, to);
}

static REAL *NAME(gradient_bind_bars)(NAME(energy_bars) *bars, const shape *of, REAL *from) {
    return of->windows ? NAME(window_bind_bars)(bars, of, from)
                       : NAME(energy_bind_bars)(bars, of, from);
}

static REAL *NAME(gradient_write_bars)(const NAME(energy) *net, const NAME(energy_bars) *bars,
                                       REAL *to) {
    return net->of->windows ? NAME(window_write_bars)(bars, net->of, to)
                            : NAME(energy_write_bars)(net, bars, to);
}

/* Evaluate ∂energy/∂x at the x of a block, up to TILE rows, and keep what the pullback needs. */
static TARGET void NAME(gradient_evaluate)(const NAME(energy) *net, long rows, REAL *block,
                                           REAL *out) {
    const shape *of = net->of;
    if (of->windows) {
        NAME(windows_evaluate)(net, rows, block, out);
        return;
    }
    const long d = of->dim, m = of->width[0];
    const NAME(gradient_tile) tile = NAME(gradient_open)(of, block);
    if (!of->featured) {
        NAME(energy_evaluate)(net, rows, block, out);
        return;
    }
    for (long i = 0; i < rows; i++)
        for (long k = 0; k < m; k++) {
            const REAL *x = tile.x + i * d, *b = net->slopes + k * d;
            REAL *J = tile.jacobian + (i * m + k) * d, y = 0;
            NAME(linear)(d, net->forms + k * d * d, x, b, J);
            for (long j = 0; j < d; j++) y += x[j] * (J[j] + b[j]);
            tile.network[i * m + k] = y / 2;
        }
    NAME(energy_evaluate)(net, rows, tile.network, tile.slope);
    for (long i = 0; i < rows; i++) {
        for (long j = 0; j < d; j++) out[i * d + j] = 0;
        for (long k = 0; k < m; k++)
            for (long j = 0; j < d; j++)
                out[i * d + j] += tile.slope[i * m + k] * tile.jacobian[(i * m + k) * d + j];
    }
}

/* Pull a cotangent (rows, d) back to x, where out is given, and add what it is for the weights. */
static TARGET void NAME(gradient_pull_back)(const NAME(energy) *net, long rows, const REAL *block,
                                            const REAL *cotangent, REAL *out,
                                            const NAME(energy_bars) *bars) {
    const shape *of = net->of;
    if (of->windows) {
        NAME(windows_pull_back)(net, rows, block, cotangent, out, bars);
        return;
    }
    const long d = of->dim, m = of->width[0];
    const NAME(gradient_tile) tile = NAME(gradient_open)(of, (REAL *)block);
    if (!of->featured) {
        NAME(energy_pull_back)(net, rows, block, cotangent, out, bars);
        return;
    }
    REAL *slope_bars = net->work + NAME(energy_work)(of), *y_bars = slope_bars + TILE * m;
    for (long i = 0; i < rows; i++)
        for (long k = 0; k < m; k++) {
            REAL sum = 0;
            for (long j = 0; j < d; j++)
                sum += cotangent[i * d + j] * tile.jacobian[(i * m + k) * d + j];
            slope_bars[i * m + k] = sum;
        }
    NAME(energy_pull_back)(net, rows, tile.network, slope_bars, out ? y_bars : 0, bars);
    for (long i = 0; out && i < rows; i++) {
        for (long j = 0; j < d; j++) out[i * d + j] = 0;
        for (long k = 0; k < m; k++) {
            const REAL s = tile.slope[i * m + k], y_bar = y_bars[i * m + k];
            const REAL *A = net->forms + k * d * d, *J = tile.jacobian + (i * m + k) * d;
            for (long h = 0; h < d; h++) {
                const REAL along = s * cotangent[i * d + h];
                for (long j = 0; j < d; j++) out[i * d + j] += along * A[h * d + j];
            }
            for (long j = 0; j < d; j++) out[i * d + j] += y_bar * J[j];
        }
    }
}

/* Evaluate x (n, d): out (n, d). A step of 0 keeps nothing: one block serves all tiles. */
static TARGET void NAME(gradient_forward)(const NAME(energy) *net, long n, const REAL *x, REAL *out,
                                          REAL *kept, long step) {
    const long d = net->of->dim;
    for (long start = 0; start < n; start += TILE, kept += step) {
        const long rows = n - start < TILE ? n - start : TILE;
        for (long i = 0; i < rows * d; i++) kept[i] = x[start * d + i];
        NAME(gradient_evaluate)(net, rows, kept, out + start * d);
    }
}
