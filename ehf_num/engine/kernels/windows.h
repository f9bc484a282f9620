/* Energies that are sums over windows, Σ_w u(I(w)) + Σ_s v(Σ_{w at s} φ(I(w))): orbit_sum.py.

   Rows of x go through in chunks, of which a window of each row is a row of the windows' network. Its
   inputs are quadratic functions of the window's forms, of angles by sine and cosine, then r = √(2y + SMOOTH) of those that are
   squared lengths and Gaussians of r, then a unit for each kind of window: so the first bias is more
   rows of W_1. Of the last layer the first column is u's, the others go to sites.

   With D the derivative of the energy along a cotangent, what the pullback adds are the gradients of D.
   Dots are derivatives along the cotangent, P = ∂energy/∂z, and with rise = ż

       D̄_z = P rise (1 - s) + s (what comes from above),    cotangents of W: inputᵀ D̄_z + tangentᵀ P.

   Kept of a tile: x, and of each chunk what `window_places` lists.

   The forms of a window are those that are no angles, then the sines of those that are, then the
   cosines; there are as many LINES as linear functions of x among them. */

#define LINES(of) ((of)->forms - (of)->angular)

#define SMOOTH ((REAL)0.01)
#define CHUNK 256 /* rows of the windows' network that go through together */

/* Where the parts of a chunk are: in a kept block, or in what a thread works in. */
typedef struct {
    long forms, form_bars, inputs, input_bars, to_sites, end;
    long slope[MAX_LAYERS], input[MAX_LAYERS + 1], product[MAX_LAYERS];
    long site_slope[MAX_LAYERS + 1], site_input[MAX_LAYERS + 1], site_product[MAX_LAYERS + 1];
} NAME(window_places);

static long NAME(window_chunk)(const windows *of) { /* rows of x that go through together */
    long chunks = (TILE * of->count + CHUNK - 1) / CHUNK;
    if (chunks > TILE) chunks = TILE;
    return (TILE + chunks - 1) / chunks;
}

static long NAME(window_chunks)(const windows *of) {
    const long chunk = NAME(window_chunk)(of);
    return (TILE + chunk - 1) / chunk;
}

/* Three arrays a layer, and those of the forms, the inputs and what goes to sites. */
static NAME(window_places) NAME(place_windows)(const windows *of) {
    NAME(window_places) at;
    const long chunk = NAME(window_chunk)(of), rows = chunk * of->count, sites = chunk * of->sites;
    long end = 0;
#define PLACE(part, numbers) (at.part = end, end += (numbers))
    PLACE(forms, chunk * PITCH(of->count * of->forms));
    PLACE(form_bars, chunk * PITCH(of->count * of->forms));
    PLACE(inputs, rows * PITCH(of->net.width[0]));
    PLACE(input_bars, rows * PITCH(of->net.width[0]));
    for (long l = 0; l < of->hidden; l++) {
        const long size = rows * PITCH(of->net.width[l + 1]);
        PLACE(slope[l], size), PLACE(input[l + 1], size), PLACE(product[l], size);
    }
    if (of->sites) {
        PLACE(to_sites, rows * PITCH(of->site.width[0]));
        for (long l = 0; l <= of->site.layers; l++) {
            const long size = sites * PITCH(of->site.width[l]);
            PLACE(site_slope[l], size), PLACE(site_input[l], size), PLACE(site_product[l], size);
        }
    }
#undef PLACE
    at.end = end;
    return at;
}

static long NAME(window_kept)(const shape *of) {
    return TILE * of->dim + NAME(window_chunks)(of->windows) * NAME(place_windows)(of->windows).end;
}

/* What both passes work in: the same places again, what the network gives to sites, lines, and one
   more row for each row of x and each window. */
static long NAME(window_work)(const shape *of) {
    const windows *sum = of->windows;
    const long chunk = NAME(window_chunk)(sum);
    return NAME(place_windows)(sum).end + chunk * PITCH(sum->count * LINES(sum)) +
           (sum->sites ? chunk * sum->count * PITCH(sum->site.width[0]) : 0) +
           chunk * PADDED(of->dim) + sum->forms;
}

static long NAME(window_packed)(const shape *of) {
    const windows *sum = of->windows;
    const long all = sum->count * LINES(sum);
    return NAME(layers_packed)(&sum->net) + NAME(layers_packed)(&sum->site) +
           PADDED(sum->net.width[sum->hidden]) + PADDED(sum->site.width[sum->site.layers]) +
           sum->site_kinds * PADDED(sum->site.width[0]) + of->dim * PADDED(all) +
           all * PADDED(of->dim) + sum->invariants * sum->forms * (sum->forms + 1) +
           2 * PADDED(sum->gaussians) + sum->lengths + sum->count + 2 * sum->edges + sum->sites;
}

static long NAME(window_bars_size)(const shape *of) {
    const windows *sum = of->windows;
    return NAME(layer_bars_size)(&sum->net) + NAME(layer_bars_size)(&sum->site) +
           PADDED(sum->net.width[sum->hidden]) + PADDED(sum->site.width[sum->site.layers]) +
           sum->site_kinds * PADDED(sum->site.width[0]);
}

/* Bind packed weights, after filling them where they are given: of the windows' network (W_1 with the
   rows of the kinds, a bias that is not read, W_2, b_2, …, and the columns that go to sites with
   another such bias), of sites, u, v's last, the sites' biases; then A and b of the invariants, the
   forms, centres of Gaussians over their distance, which invariants are lengths, kinds of windows,
   edges as pairs of site and window, kinds of sites. Returns their end. */
static TARGET REAL *NAME(window_bind)(NAME(energy) *net, const shape *of,
                                      const REAL *const *weights, REAL *to) {
    const windows *sum = of->windows;
    const long all = sum->count * LINES(sum), d = of->dim;
    const REAL *const *next = weights;
    net->of = of;
    to = NAME(bind_layers)(&net->layers, &sum->net, next, 0, to);
    if (next) next += 2 * sum->net.layers;
    to = NAME(bind_layers)(&net->site, &sum->site, next, 0, to);
    if (next) next += 2 * sum->site.layers;
    net->last = to, to += PADDED(sum->net.width[sum->hidden]);
    net->site_last = to, to += PADDED(sum->site.width[sum->site.layers]);
    net->shift = to, to += sum->site_kinds * PADDED(sum->site.width[0]);
    net->to_forms = to, to += d * PADDED(all);
    net->from_forms = to, to += all * PADDED(d);
    net->centres = to, to += PADDED(sum->gaussians);
    net->inside = to, to += PADDED(sum->gaussians);
    net->forms = to, to += sum->invariants * sum->forms * sum->forms;
    net->slopes = to, to += sum->invariants * sum->forms;
    net->lengths = to, to += sum->lengths;
    net->kinds = to, to += sum->count;
    net->edges = to, to += 2 * sum->edges;
    net->site_kinds = to, to += sum->sites;
    if (!next) return to;
    NAME(pack_row)(sum->net.width[sum->hidden], next[0], (REAL *)net->last);
    NAME(pack_row)(sum->site.width[sum->site.layers], next[1], (REAL *)net->site_last);
    for (long k = 0; k < sum->site_kinds; k++)
        NAME(pack_row)(sum->site.width[0], next[2] + k * sum->site.width[0],
                       (REAL *)net->shift + k * PADDED(sum->site.width[0]));
    NAME(pack_transpose)(d, all, next[3], 0, (REAL *)net->to_forms);
    NAME(pack)(all, d, next[3], (REAL *)net->from_forms);
    for (long g = 0; g < PADDED(sum->gaussians); g++) {
        ((REAL *)net->centres)[g] = (REAL)g;
        ((REAL *)net->inside)[g] = g < sum->gaussians;
    }
    /* The rest lies in one row, here as there. */
    REAL *rest = (REAL *)net->forms;
    for (long i = 0; i < to - rest; i++) rest[i] = next[4][i];
    return to;
}

static TARGET REAL *NAME(window_bind_bars)(NAME(energy_bars) *bars, const shape *of, REAL *from) {
    const windows *sum = of->windows;
    from = NAME(bind_layer_bars)(&bars->layers, &sum->net, from);
    from = NAME(bind_layer_bars)(&bars->site, &sum->site, from);
    bars->last = from, from += PADDED(sum->net.width[sum->hidden]);
    bars->site_last = from, from += PADDED(sum->site.width[sum->site.layers]);
    bars->shift = from;
    return from + sum->site_kinds * PADDED(sum->site.width[0]);
}

INLINE REAL *NAME(copy_rows)(long rows, long width, const REAL *from, REAL *to) {
    for (long k = 0; k < rows; k++)
        for (long j = 0; j < width; j++) *to++ = from[k * PADDED(width) + j];
    return to;
}

/* Write cotangents in the order of the weights: W_1 and the kinds' biases, W_2, b_2, …, the last layer
   with u in its first column; and of sites their biases, V_2, b_2, …, V. */
static TARGET REAL *NAME(window_write_bars)(const NAME(energy_bars) *bars, const shape *of, REAL *to) {
    const windows *sum = of->windows;
    const long top = sum->net.width[sum->hidden], channels = sum->site.width[0];
    for (long l = 0; l < sum->hidden; l++)
        to = NAME(copy_rows)(sum->net.width[l] + (l > 0), sum->net.width[l + 1], bars->layers.sums[l],
                             to);
    for (long h = 0; h < top; h++) {
        *to++ = bars->last[h];
        if (sum->sites)
            to = NAME(copy_rows)(1, channels, bars->layers.sums[sum->hidden] + h * PADDED(channels), to);
    }
    if (!sum->sites) return to;
    to = NAME(copy_rows)(sum->site_kinds, channels, bars->shift, to);
    to = NAME(write_layer_bars)(&bars->site, &sum->site, 0, to);
    return NAME(copy_rows)(1, sum->site.width[sum->site.layers], bars->site_last, to);
}

/* to (d) = A x + b, b may be none. */
INLINE void NAME(linear)(long d, const REAL *A, const REAL *x, const REAL *b, REAL *to) {
    for (long j = 0; j < d; j++) to[j] = b ? b[j] : 0;
    for (long i = 0; i < d; i++)
        for (long j = 0; j < d; j++) to[j] += x[i] * A[i * d + j];
}

/* forms = (y, sin θ, cos θ) of lines (y, θ), a window after another. */
INLINE void NAME(bend)(const windows *of, long rows, const REAL *lines, REAL *forms) {
    const long m = of->forms, n = LINES(of), straight = n - of->angular;
    for (long i = 0; i < rows; i++, lines += PITCH(of->count * n), forms += PITCH(of->count * m))
        for (long w = 0; w < of->count; w++)
            for (long j = 0; j < n; j++) {
                const REAL line = lines[w * n + j];
                forms[w * m + j] = j < straight ? line : SINE(line);
                if (j >= straight) forms[w * m + j + of->angular] = COSINE(line);
            }
}

/* Rises of forms from those of lines. */
INLINE void NAME(bend_rises)(const windows *of, long rows, const REAL *forms, const REAL *lines,
                             REAL *rises) {
    const long m = of->forms, n = LINES(of), straight = n - of->angular;
    const long lines_pitch = PITCH(of->count * n), pitch = PITCH(of->count * m);
    for (long i = 0; i < rows; i++, lines += lines_pitch, forms += pitch, rises += pitch)
        for (long w = 0; w < of->count; w++)
            for (long j = 0; j < n; j++) {
                const long at = w * m + j;
                const REAL rise = lines[w * n + j];
                rises[at] = j < straight ? rise : forms[at + of->angular] * rise;
                if (j >= straight) rises[at + of->angular] = -forms[at] * rise;
            }
}

/* Cotangents of lines from those of forms; where forms rise, and bars are cotangents of D, with what
   their slopes' change adds, slopes the cotangents of forms that D was made of. */
INLINE void NAME(straighten)(const windows *of, long rows, const REAL *forms, const REAL *rises,
                             const REAL *slopes, const REAL *bars, REAL *lines) {
    const long m = of->forms, n = LINES(of), straight = n - of->angular;
    const long lines_pitch = PITCH(of->count * n), pitch = PITCH(of->count * m);
    for (long i = 0; i < rows; i++)
        for (long w = 0; w < of->count; w++)
            for (long j = 0; j < n; j++) {
                const long at = i * pitch + w * m + j, beside = at + of->angular;
                REAL *to = lines + i * lines_pitch + w * n + j;
                *to = bars[at];
                if (j < straight) continue;
                const REAL s = forms[at], c = forms[beside];
                *to = c * bars[at] - s * bars[beside];
                if (rises)
                    *to -= (c * rises[at] - s * rises[beside]) * (s * slopes[at] + c * slopes[beside]);
            }
}

/* Evaluate the inputs of the windows' network at forms. */
INLINE void NAME(window_inputs)(const NAME(energy) *net, long rows, const REAL *forms, REAL *inputs,
                                REAL *J) {
    const windows *of = net->of->windows;
    const long m = of->forms, F = of->net.width[0], pitch = PITCH(of->count * m);
    for (long i = 0; i < rows; i++)
        for (long w = 0; w < of->count; w++, inputs += PITCH(F)) {
            const REAL *form = forms + i * pitch + w * m;
            for (long k = 0; k < of->invariants; k++) {
                const REAL *b = net->slopes + k * m;
                REAL y = 0;
                NAME(linear)(m, net->forms + k * m * m, form, b, J);
                for (long j = 0; j < m; j++) y += form[j] * (J[j] + b[j]);
                inputs[k] = y / 2;
            }
            REAL *r = inputs + of->invariants, *bumps = r + of->lengths;
            for (long k = 0; k < of->lengths; k++) {
                r[k] = SQUARE_ROOT(2 * inputs[(long)net->lengths[k]] + SMOOTH);
                const vec scaled = NAME(all)(r[k] / (REAL)of->spacing);
                for (long g = 0; g < of->gaussians; g += VLEN) {
                    const vec u = scaled - NAME(load)(net->centres + g);
                    NAME(store)(bumps + k * of->gaussians + g,
                                NAME(exp_of_negative)(u * u * (REAL)-0.5));
                }
            }
            REAL *kinds = inputs + F - of->kinds;
            for (long k = 0; k < of->kinds; k++) kinds[k] = net->kinds[w] == k;
        }
}

/* With B' and B'' of the Gaussians of a length: Σ bar B', and where more is asked for Σ other B' + rise
   Σ bar B''. */
INLINE void NAME(bump_slopes)(const NAME(energy) *net, REAL r, const REAL *bumps, const REAL *bar,
                              const REAL *other, REAL rise, REAL *sum, REAL *more) {
    const windows *of = net->of->windows;
    const vec scaled = NAME(all)(r / (REAL)of->spacing), inverse = NAME(all)(1 / (REAL)of->spacing);
    vec total = {0}, rest = {0};
    for (long g = 0; g < of->gaussians; g += VLEN) {
        const vec u = scaled - NAME(load)(net->centres + g);
        const vec B = NAME(choose)(NAME(load)(net->inside + g) > (REAL)0, NAME(load)(bumps + g), (vec){0});
        const vec first = -u * B * inverse, e = NAME(load)(bar + g);
        total += NAME(choose)(NAME(load)(net->inside + g) > (REAL)0, e * first, (vec){0});
        if (more) {
            const vec second = (u * u - (REAL)1) * B * inverse * inverse;
            rest += NAME(choose)(NAME(load)(net->inside + g) > (REAL)0,
                                 NAME(load)(other + g) * first + rise * e * second, (vec){0});
        }
    }
    *sum = NAME(total)(total);
    if (more) *more = NAME(total)(rest);
}

/* Derivatives of the inputs along those of the forms. */
INLINE void NAME(window_rises)(const NAME(energy) *net, long rows, const REAL *forms,
                               const REAL *form_rises, const REAL *inputs, REAL *rises, REAL *J) {
    const windows *of = net->of->windows;
    const long m = of->forms, F = of->net.width[0], pitch = PITCH(of->count * m), I = of->invariants;
    const vec inverse = NAME(all)(1 / (REAL)of->spacing);
    for (long i = 0; i < rows; i++)
        for (long w = 0; w < of->count; w++, inputs += PITCH(F), rises += PITCH(F)) {
            const REAL *form = forms + i * pitch + w * m, *rise = form_rises + i * pitch + w * m;
            for (long k = 0; k < I; k++) {
                REAL sum = 0;
                NAME(linear)(m, net->forms + k * m * m, form, net->slopes + k * m, J);
                for (long j = 0; j < m; j++) sum += rise[j] * J[j];
                rises[k] = sum;
            }
            for (long k = 0; k < of->lengths; k++) {
                const REAL r = inputs[I + k], up = rises[(long)net->lengths[k]] / r;
                const long start = I + of->lengths + k * of->gaussians;
                const vec scaled = NAME(all)(r / (REAL)of->spacing);
                rises[I + k] = up;
                for (long g = 0; g < of->gaussians; g += VLEN) {
                    const vec u = scaled - NAME(load)(net->centres + g);
                    NAME(store)(rises + start + g, -u * NAME(load)(inputs + start + g) * inverse * up);
                }
            }
            for (long k = F - of->kinds; k < F; k++) rises[k] = 0;
        }
}

/* Turn cotangents of the rises of inputs into those of the forms' rises; or, where cotangents of the
   inputs themselves are given, those into cotangents of the forms. */
INLINE void NAME(window_leave)(const NAME(energy) *net, long rows, const REAL *forms,
                               const REAL *form_rises, const REAL *inputs, const REAL *rises,
                               const REAL *rise_bars, const REAL *bars, REAL *to, REAL *J) {
    const windows *of = net->of->windows;
    const long m = of->forms, F = of->net.width[0], pitch = PITCH(of->count * m), I = of->invariants;
    for (long i = 0; i < rows; i++)
        for (long w = 0; w < of->count; w++, inputs += PITCH(F), rise_bars += PITCH(F)) {
            const REAL *form = forms + i * pitch + w * m;
            REAL *out = to + i * pitch + w * m;
            for (long j = 0; j < m; j++) out[j] = 0;
            for (long k = 0; k < I; k++) {
                REAL of_rise = rise_bars[k], of_value = bars ? bars[k] : 0;
                for (long n = 0; n < of->lengths; n++) {
                    if ((long)net->lengths[n] != k) continue;
                    const long start = I + of->lengths + n * of->gaussians;
                    const REAL r = inputs[I + n], up = bars ? rises[I + n] : 0;
                    REAL sum, more = 0;
                    NAME(bump_slopes)(net, r, inputs + start, rise_bars + start,
                                      bars ? bars + start : 0, up, &sum, bars ? &more : 0);
                    sum += rise_bars[I + n];
                    of_rise += sum / r;
                    if (bars) of_value += (bars[I + n] + more - sum * up / r) / r;
                }
                NAME(linear)(m, net->forms + k * m * m, form, net->slopes + k * m, J);
                const REAL along = bars ? of_value : of_rise;
                for (long j = 0; j < m; j++) out[j] += along * J[j];
                if (!bars) continue;
                NAME(linear)(m, net->forms + k * m * m, form_rises + i * pitch + w * m, 0, J);
                for (long j = 0; j < m; j++) out[j] += of_rise * J[j];
            }
            if (bars) rises += PITCH(F), bars += PITCH(F);
        }
}

/* sites (rows · S) += windows (rows · R) along the edges, or the other way. */
INLINE void NAME(along_edges)(const NAME(energy) *net, long rows, REAL *sites, REAL *of_windows,
                              int back) {
    const windows *of = net->of->windows;
    const long pitch = PITCH(of->site.width[0]), width = PADDED(of->site.width[0]);
    for (long i = 0; i < rows; i++)
        for (long e = 0; e < of->edges; e++) {
            REAL *site = sites + (i * of->sites + (long)net->edges[2 * e]) * pitch;
            REAL *window = of_windows + (i * of->count + (long)net->edges[2 * e + 1]) * pitch;
            REAL *to = back ? window : site;
            const REAL *from = back ? site : window;
            for (long u = 0; u < width; u += VLEN)
                NAME(store)(to + u, NAME(load)(to + u) + NAME(load)(from + u));
        }
}

INLINE void NAME(clear_rows)(long rows, long width, REAL *to) {
    FOR_UNITS(rows, width) NAME(store)(to + u, (vec){0});
}

/* a = b c, a and b may be one. */
INLINE void NAME(times_rows)(long rows, long width, REAL *a, const REAL *b, const REAL *c) {
    FOR_UNITS(rows, width) NAME(store)(a + u, NAME(load)(b + u) * NAME(load)(c + u));
}

/* a = b c, c one row. */
INLINE void NAME(times_row)(long rows, long width, REAL *a, const REAL *b, const REAL *c) {
    FOR_UNITS(rows, width) NAME(store)(a + u, NAME(load)(b + u) * NAME(load)(c + (u - i)));
}

/* What sites make of what windows give them, and how that goes back to windows. */
static TARGET void NAME(sites_evaluate)(const NAME(energy) *net, long rows, REAL *given, REAL *block,
                                        const NAME(window_places) *at) {
    const windows *of = net->of->windows;
    const shape *site = &of->site;
    const long top = site->layers, channels = site->width[0], count = rows * of->sites;
    REAL *z = block + at->site_slope[0];
    for (long s = 0; s < count; s++)
        for (long u = 0; u < PADDED(channels); u += VLEN)
            NAME(store)(z + s * PITCH(channels) + u,
                        NAME(load)(net->shift +
                                   (long)net->site_kinds[s % of->sites] * PADDED(channels) + u));
    NAME(along_edges)(net, rows, z, given, 0);
    for (long l = 0; l <= top; l++) {
        const long here = site->width[l];
        REAL *slope = block + at->site_slope[l], *input = block + at->site_input[l];
        if (l)
            NAME(multiply)(count, site->width[l - 1], here, block + at->site_input[l - 1],
                           PITCH(site->width[l - 1]), net->site.up[l - 1], net->site.bias[l - 1], slope,
                           PITCH(here));
        FOR_UNITS(count, here)
        NAME(activate)(NAME(load)(slope + u), slope + u, l < top ? input + u : 0);
    }
    for (long l = top; l >= 0; l--) {
        const long here = site->width[l];
        REAL *product = block + at->site_product[l], *slope = block + at->site_slope[l];
        if (l == top) {
            NAME(times_row)(count, here, product, slope, net->site_last);
            continue;
        }
        NAME(multiply)(count, site->width[l + 1], here, block + at->site_product[l + 1],
                       PITCH(site->width[l + 1]), net->site.down[l], 0, product, PITCH(here));
        NAME(times_rows)(count, here, product, product, slope);
    }
    NAME(clear_rows)(rows * of->count, channels, block + at->to_sites);
    NAME(along_edges)(net, rows, block + at->site_product[0], block + at->to_sites, 1);
}

/* Evaluate the gradient of a chunk. */
static TARGET void NAME(chunk_evaluate)(const NAME(energy) *net, long rows, const REAL *x, REAL *block,
                                        const NAME(window_places) *at, REAL *out) {
    const windows *of = net->of->windows;
    const shape *layers = &of->net;
    const long d = net->of->dim, all = of->count * LINES(of), count = rows * of->count;
    const long top = of->hidden - 1, inputs = layers->width[0], highest = layers->width[of->hidden];
    REAL *work = net->work, *given = work + at->end, *lines = given;
    REAL *forms = block + at->forms, *input_bars = block + at->input_bars;
    if (of->sites) lines += NAME(window_chunk)(of) * of->count * PITCH(of->site.width[0]);
    REAL *leaving = lines + NAME(window_chunk)(of) * PITCH(all);
    REAL *J = leaving + NAME(window_chunk)(of) * PADDED(d);
    NAME(multiply)(rows, d, all, x, d, net->to_forms, 0, lines, PITCH(all));
    NAME(bend)(of, rows, lines, forms);
    NAME(window_inputs)(net, rows, forms, block + at->inputs, J);
    for (long l = 0; l <= top; l++) {
        const long above = layers->width[l + 1], below = layers->width[l];
        REAL *slope = block + at->slope[l], *next = block + at->input[l + 1];
        const int passed_on = l < top || of->sites;
        NAME(multiply)(count, below, above, block + (l ? at->input[l] : at->inputs), PITCH(below),
                       net->layers.up[l], l ? net->layers.bias[l] : 0, slope, PITCH(above));
        FOR_UNITS(count, above)
        NAME(activate)(NAME(load)(slope + u), slope + u, passed_on ? next + u : 0);
    }
    REAL *product = block + at->product[top];
    if (of->sites) {
        const long channels = of->site.width[0];
        NAME(multiply)(count, highest, channels, block + at->input[top + 1], PITCH(highest),
                       net->layers.up[top + 1], 0, given, PITCH(channels));
        NAME(sites_evaluate)(net, rows, given, block, at);
        NAME(multiply)(count, channels, highest, block + at->to_sites, PITCH(channels),
                       net->layers.down[top + 1], net->last, product, PITCH(highest));
        NAME(times_rows)(count, highest, product, product, block + at->slope[top]);
    } else
        NAME(times_row)(count, highest, product, block + at->slope[top], net->last);
    for (long l = top - 1; l >= 0; l--) {
        const long here = layers->width[l + 1], above = layers->width[l + 2];
        product = block + at->product[l];
        NAME(multiply)(count, above, here, block + at->product[l + 1], PITCH(above),
                       net->layers.down[l + 1], 0, product, PITCH(here));
        NAME(times_rows)(count, here, product, product, block + at->slope[l]);
    }
    NAME(multiply)(count, layers->width[1], inputs, block + at->product[0], PITCH(layers->width[1]),
                   net->layers.down[0], 0, input_bars, PITCH(inputs));
    REAL *form_bars = block + at->form_bars;
    NAME(window_leave)(net, rows, forms, 0, block + at->inputs, 0, input_bars, 0, form_bars, J);
    NAME(straighten)(of, rows, forms, 0, 0, form_bars, lines);
    NAME(multiply)(rows, all, d, lines, PITCH(all), net->from_forms, 0, leaving, PADDED(d));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) out[i * d + j] = leaving[i * PADDED(d) + j];
}

/* rise becomes the gain P rise, and tangent s rise. */
INLINE void NAME(gain_rows)(long rows, long width, REAL *rise, REAL *tangent, const REAL *slope,
                            const REAL *product) {
    FOR_UNITS(rows, width) {
        const vec up = NAME(load)(rise + u);
        NAME(store)(tangent + u, up * NAME(load)(slope + u));
        NAME(store)(rise + u, up * NAME(load)(product + u));
    }
}

/* What comes from above becomes the cotangent gain + s (above - gain). */
INLINE void NAME(bar_rows)(long rows, long width, REAL *bar, const REAL *gain, const REAL *slope) {
    FOR_UNITS(rows, width) {
        const vec g = NAME(load)(gain + u), z = NAME(load)(bar + u);
        NAME(store)(bar + u, g + NAME(load)(slope + u) * (z - g));
    }
}

/* Of sites: given are the rises of what windows give them; they become what goes back to windows. In
   the places of slopes, inputs and products are gains, tangents and cotangents. */
static TARGET void NAME(sites_pull_back)(const NAME(energy) *net, long rows, REAL *given,
                                         const REAL *block, REAL *work, const NAME(window_places) *at,
                                         const NAME(energy_bars) *bars) {
    const windows *of = net->of->windows;
    const shape *site = &of->site;
    const long top = site->layers, channels = site->width[0], count = rows * of->sites;
    NAME(clear_rows)(count, channels, work + at->site_slope[0]);
    NAME(along_edges)(net, rows, work + at->site_slope[0], given, 0);
    for (long l = 0; l <= top; l++) {
        const long here = site->width[l];
        REAL *rise = work + at->site_slope[l];
        if (l)
            NAME(multiply)(count, site->width[l - 1], here, work + at->site_input[l - 1],
                           PITCH(site->width[l - 1]), net->site.up[l - 1], 0, rise, PITCH(here));
        NAME(gain_rows)(count, here, rise, work + at->site_input[l], block + at->site_slope[l],
                        block + at->site_product[l]);
    }
    NAME(add_rows)(count, site->width[top], work + at->site_input[top], bars->site_last);
    for (long l = top; l >= 0; l--) {
        const long here = site->width[l];
        REAL *bar = work + at->site_product[l];
        if (l == top)
            NAME(clear_rows)(count, here, bar);
        else
            NAME(multiply)(count, site->width[l + 1], here, work + at->site_product[l + 1],
                           PITCH(site->width[l + 1]), net->site.down[l], 0, bar, PITCH(here));
        NAME(bar_rows)(count, here, bar, work + at->site_slope[l], block + at->site_slope[l]);
        if (!l) break;
        const long below = site->width[l - 1];
        NAME(add_rows)(count, here, bar, bars->site.bias[l - 1]);
        NAME(add_outer)(count, below, here, block + at->site_input[l - 1], PITCH(below), bar,
                        PITCH(here), work + at->site_input[l - 1], PITCH(below),
                        block + at->site_product[l], PITCH(here), bars->site.sums[l - 1]);
    }
    const REAL *bar = work + at->site_product[0];
    for (long s = 0; s < count; s++) {
        REAL *to = bars->shift + (long)net->site_kinds[s % of->sites] * PADDED(channels);
        for (long u = 0; u < PADDED(channels); u += VLEN)
            NAME(store)(to + u, NAME(load)(to + u) + NAME(load)(bar + s * PITCH(channels) + u));
    }
    NAME(clear_rows)(rows * of->count, channels, given);
    NAME(along_edges)(net, rows, work + at->site_product[0], given, 1);
}

static TARGET void NAME(chunk_pull_back)(const NAME(energy) *net, long rows, const REAL *block,
                                         const REAL *cotangent, const NAME(window_places) *at,
                                         REAL *out, const NAME(energy_bars) *bars) {
    const windows *of = net->of->windows;
    const shape *layers = &of->net;
    const long d = net->of->dim, all = of->count * LINES(of), count = rows * of->count;
    const long top = of->hidden - 1, inputs = layers->width[0], highest = layers->width[of->hidden];
    REAL *work = net->work, *given = work + at->end, *lines = given;
    if (of->sites) lines += NAME(window_chunk)(of) * of->count * PITCH(of->site.width[0]);
    REAL *leaving = lines + NAME(window_chunk)(of) * PITCH(all);
    REAL *J = leaving + NAME(window_chunk)(of) * PADDED(d);
    REAL *rises = work + at->inputs, *form_rises = work + at->forms;
    NAME(multiply)(rows, d, all, cotangent, d, net->to_forms, 0, lines, PITCH(all));
    NAME(bend_rises)(of, rows, block + at->forms, lines, form_rises);
    NAME(window_rises)(net, rows, block + at->forms, form_rises, block + at->inputs, rises, J);
    for (long l = 0; l <= top; l++) {
        const long above = layers->width[l + 1], below = layers->width[l];
        NAME(multiply)(count, below, above, l ? work + at->input[l] : rises, PITCH(below),
                       net->layers.up[l], 0, work + at->slope[l], PITCH(above));
        NAME(gain_rows)(count, above, work + at->slope[l], work + at->input[l + 1],
                        block + at->slope[l], block + at->product[l]);
    }
    NAME(add_rows)(count, highest, work + at->input[top + 1], bars->last);
    REAL *bar = work + at->product[top];
    if (of->sites) {
        const long channels = of->site.width[0];
        NAME(multiply)(count, highest, channels, work + at->input[top + 1], PITCH(highest),
                       net->layers.up[top + 1], 0, given, PITCH(channels));
        NAME(sites_pull_back)(net, rows, given, block, work, at, bars);
        NAME(add_outer)(count, highest, channels, work + at->input[top + 1], PITCH(highest),
                        block + at->to_sites, PITCH(channels), block + at->input[top + 1],
                        PITCH(highest), given, PITCH(channels), bars->layers.sums[top + 1]);
        NAME(multiply)(count, channels, highest, given, PITCH(channels), net->layers.down[top + 1], 0,
                       bar, PITCH(highest));
    } else
        NAME(clear_rows)(count, highest, bar);
    for (long l = top; l >= 0; l--) {
        const long here = layers->width[l + 1], below = layers->width[l];
        bar = work + at->product[l];
        if (l < top)
            NAME(multiply)(count, layers->width[l + 2], here, work + at->product[l + 1],
                           PITCH(layers->width[l + 2]), net->layers.down[l + 1], 0, bar, PITCH(here));
        NAME(bar_rows)(count, here, bar, work + at->slope[l], block + at->slope[l]);
        if (l) NAME(add_rows)(count, here, bar, bars->layers.bias[l]);
        NAME(add_outer)(count, below, here, block + (l ? at->input[l] : at->inputs), PITCH(below), bar,
                        PITCH(here), l ? work + at->input[l] : rises, PITCH(below),
                        block + at->product[l], PITCH(here), bars->layers.sums[l]);
    }
    if (!out) return;
    REAL *input_bars = work + at->input_bars;
    NAME(multiply)(count, layers->width[1], inputs, work + at->product[0], PITCH(layers->width[1]),
                   net->layers.down[0], 0, input_bars, PITCH(inputs));
    NAME(window_leave)(net, rows, block + at->forms, form_rises, block + at->inputs, rises,
                       block + at->input_bars, input_bars, work + at->form_bars, J);
    NAME(straighten)(of, rows, block + at->forms, form_rises, block + at->form_bars,
                     work + at->form_bars, lines);
    NAME(multiply)(rows, all, d, lines, PITCH(all), net->from_forms, 0, leaving, PADDED(d));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) out[i * d + j] = leaving[i * PADDED(d) + j];
}

/* Evaluate ∂energy/∂x at the x of a block, up to TILE rows, and keep what the pullback needs. */
static TARGET void NAME(windows_evaluate)(const NAME(energy) *net, long rows, REAL *block, REAL *out) {
    const long d = net->of->dim, chunk = NAME(window_chunk)(net->of->windows);
    const NAME(window_places) at = NAME(place_windows)(net->of->windows);
    REAL *part = block + TILE * d;
    for (long start = 0; start < rows; start += chunk, part += at.end)
        NAME(chunk_evaluate)(net, rows - start < chunk ? rows - start : chunk, block + start * d, part,
                             &at, out + start * d);
}

/* Pull a cotangent (rows, d) back to x, where out is given, and add what it is for the weights. */
static TARGET void NAME(windows_pull_back)(const NAME(energy) *net, long rows, const REAL *block,
                                           const REAL *cotangent, REAL *out,
                                           const NAME(energy_bars) *bars) {
    const long d = net->of->dim, chunk = NAME(window_chunk)(net->of->windows);
    const NAME(window_places) at = NAME(place_windows)(net->of->windows);
    const REAL *part = block + TILE * d;
    for (long start = 0; start < rows; start += chunk, part += at.end)
        NAME(chunk_pull_back)(net, rows - start < chunk ? rows - start : chunk, part,
                              cotangent + start * d, &at, out ? out + start * d : 0, bars);
}
