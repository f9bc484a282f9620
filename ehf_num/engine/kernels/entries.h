/* The kernels as functions of untyped arrays, and their table. Sizes were checked by the caller. */

static void NAME(energy_sizes)(const shape *of, sizes *to) {
    *to = (sizes){.packed = NAME(gradient_packed)(of), .kept = NAME(gradient_kept)(of),
                  .work = NAME(gradient_work)(of) + 3 * TILE * of->dim,
                  .bars = NAME(gradient_bars_size)(of), .tile = TILE};
}

static void NAME(energy_fill)(const shape *of, const void *const *weights, void *packed) {
    NAME(energy) net = {0};
    NAME(gradient_bind)(&net, of, (const REAL *const *)weights, packed);
}

/* Bind the networks of a chain, and their cotangents where there are any. Returns the numbers in the
   larger block of the two kinds of network. */
static long NAME(bind_chain)(const call *of, NAME(energy) *nets, NAME(energy_bars) *bars) {
    REAL *packed = (REAL *)of->packed, *work = of->work, *sums = of->bars;
    long kept = 0;
    for (long i = 0; i < of->networks; i++) {
        const shape *each = of->shapes + i % 2;
        packed = NAME(gradient_bind)(nets + i, each, 0, packed);
        nets[i].work = work + 3 * TILE * each->dim;
        if (sums) sums = NAME(gradient_bind_bars)(bars + i, each, sums);
        if (NAME(gradient_kept)(each) > kept) kept = NAME(gradient_kept)(each);
    }
    return kept;
}

/* Add to some cotangents of the first share those of the others. */
static TARGET void NAME(add_shares)(const call *of, REAL *restrict sums, long size) {
    for (long k = 1; k < of->shares; k++) {
        const REAL *restrict others = sums + k * of->bars_size;
        for (long i = 0; i < size; i++) sums[i] += others[i];
    }
}

static void NAME(clear)(const call *of) {
    REAL *bars = of->bars;
    for (long i = 0; i < of->bars_size; i++) bars[i] = 0;
}

/* Add the shares' cotangents, each share those of its networks, and write them: the first network's
   first. */
static TARGET void NAME(energy_write)(const call *of) {
    NAME(energy) nets[MAX_NETWORKS];
    NAME(energy_bars) bars[MAX_NETWORKS];
    REAL *to = of->weight_bars, *sums = of->bars;
    NAME(bind_chain)(of, nets, bars);
    for (long i = 0; i < of->networks; i++) {
        const shape *each = of->shapes + i % 2;
        const long size = NAME(gradient_bars_size)(each);
        if (i % of->shares == of->share) {
            NAME(add_shares)(of, sums, size);
            NAME(gradient_write_bars)(nets + i, bars + i, to);
        }
        sums += size, to += weights_of(each, 0);
    }
}

static void NAME(chain_evaluate)(const call *of) {
    NAME(energy) nets[MAX_NETWORKS];
    const long kept = NAME(bind_chain)(of, nets, 0), step = of->keep ? kept : 0;
    const NAME(chain) chain = {of->networks / 2, of->parts, of->factors, nets, 0, of->work};
    NAME(chain_forward)(&chain, of->rows, of->states, of->kept, step);
    REAL *rest = (REAL *)of->kept + step * chain.hamiltonians * chain.parts *
                                        ((of->rows + TILE - 1) / TILE);
    NAME(fields_forward)(&chain, of->probe_rows, of->probes, of->fields, rest, step);
}

static void NAME(chain_differentiate)(const call *of) {
    NAME(energy) nets[MAX_NETWORKS];
    NAME(energy_bars) bars[MAX_NETWORKS];
    const long kept = NAME(bind_chain)(of, nets, bars), step = of->keep ? kept : 0;
    NAME(clear)(of);
    const NAME(chain) chain = {of->networks / 2, of->parts, of->factors, nets, bars, of->work};
    NAME(chain_pull_back)(&chain, of->rows, of->states, of->kept, step, of->state_bars);
    REAL *rest = (REAL *)of->kept + step * chain.hamiltonians * chain.parts *
                                        ((of->rows + TILE - 1) / TILE);
    NAME(fields_pull_back)(&chain, of->probe_rows, of->probes, of->fields, rest, step,
                           of->probe_bars);
}

static void NAME(energy_run)(const call *of) {
    NAME(energy) net = {0};
    const long kept = NAME(bind_chain)(of, &net, 0);
    NAME(gradient_forward)(&net, of->rows, of->states, of->fields, of->kept, of->keep ? kept : 0);
}

static void NAME(energy_differentiate)(const call *of) {
    NAME(energy) net = {0};
    NAME(energy_bars) bars;
    const long step = NAME(bind_chain)(of, &net, &bars), d = of->shapes->dim;
    NAME(clear)(of);
    const REAL *kept = of->kept, *cotangent = of->fields;
    REAL *out = of->state_bars;
    for (long start = 0; start < of->rows; start += TILE, kept += step) {
        const long rows = of->rows - start < TILE ? of->rows - start : TILE;
        NAME(gradient_pull_back)(&net, rows, kept, cotangent + start * d, out + start * d, &bars);
    }
}

static void NAME(relu_sizes)(const shape *of, sizes *to) {
    *to = (sizes){.packed = NAME(layers_packed)(of), .kept = NAME(relu_kept)(of),
                  .work = NAME(relu_work)(of) + TILE * of->width[of->layers],
                  .bars = NAME(layer_bars_size)(of), .tile = TILE};
}

static void NAME(relu_fill)(const shape *of, const void *const *weights, void *packed) {
    NAME(layers) layers;
    NAME(bind_layers)(&layers, of, (const REAL *const *)weights, 0, packed);
}

/* Bind one network, or a draw's two, and their cotangents where there are any. */
static void NAME(bind_relu)(const call *of, NAME(relu) *nets, NAME(layer_bars) *bars) {
    REAL *packed = (REAL *)of->packed, *sums = of->bars;
    for (long i = 0; i < of->networks; i++) {
        nets[i].of = of->shapes, nets[i].work = of->work;
        packed = NAME(bind_layers)(&nets[i].layers, of->shapes, 0, 0, packed);
        if (bars) sums = NAME(bind_layer_bars)(bars + i, of->shapes, sums);
    }
}

static void NAME(relu_run)(const call *of) {
    NAME(relu) net;
    NAME(bind_relu)(of, &net, 0);
    NAME(relu_forward)(&net, of->rows, of->states, of->fields, of->kept,
                       of->keep ? NAME(relu_kept)(of->shapes) : 0);
}

static void NAME(relu_differentiate)(const call *of) {
    NAME(relu) net;
    NAME(layer_bars) bars;
    NAME(bind_relu)(of, &net, &bars);
    NAME(clear)(of);
    NAME(relu_pull_back)(&net, of->rows, of->kept, NAME(relu_kept)(of->shapes), of->fields,
                         of->state_bars, &bars);
}

static void NAME(draw_run)(const call *of) {
    NAME(relu) nets[2];
    NAME(bind_relu)(of, nets, 0);
    NAME(draw_forward)(nets, of->rows, of->states, of->probes, of->fields, of->scales, of->slopes,
                       of->kept, of->keep ? NAME(relu_kept)(of->shapes) : 0);
}

static void NAME(draw_differentiate)(const call *of) {
    NAME(relu) nets[2];
    NAME(layer_bars) bars[2];
    NAME(bind_relu)(of, nets, bars);
    NAME(clear)(of);
    NAME(draw_pull_back)(nets, of->rows, of->probes, of->scales, of->slopes, of->kept,
                         NAME(relu_kept)(of->shapes), of->fields, bars);
}

static TARGET void NAME(relu_write)(const call *of) {
    REAL *sums = of->bars, *to = of->weight_bars;
    const long size = NAME(layer_bars_size)(of->shapes);
    for (long i = 0; i < of->networks; i++, sums += size, to += weights_of(of->shapes, 1)) {
        NAME(layer_bars) bars;
        if (i % of->shares != of->share) continue;
        NAME(bind_layer_bars)(&bars, of->shapes, sums);
        NAME(add_shares)(of, sums, size);
        NAME(write_layer_bars)(&bars, of->shapes, 0, to);
    }
}

/* Algorithm 1 of Kingma & Ba, arXiv:1412.6980, with the moments over 1 - beta; adam.py has it. */
static TARGET void NAME(adam)(long n, void *parameters, const void *slope, void *moment,
                              void *square, const double *constants) {
    REAL *restrict theta = parameters, *restrict first = moment, *restrict second = square;
    const REAL *restrict g = slope;
    const REAL beta1 = (REAL)constants[0], beta2 = (REAL)constants[1], epsilon = (REAL)constants[2],
               rate = (REAL)constants[3];
    for (long i = 0; i < n; i++) {
        first[i] = beta1 * first[i] + g[i];
        second[i] = beta2 * second[i] + g[i] * g[i];
        theta[i] -= first[i] / (SQUARE_ROOT(second[i]) + epsilon) * rate;
    }
}

static const kernels NAME(table) = {
    .real = sizeof(REAL),
    .energy_sizes = NAME(energy_sizes),
    .energy_fill = NAME(energy_fill),
    .chain_evaluate = NAME(chain_evaluate),
    .chain_differentiate = NAME(chain_differentiate),
    .energy_evaluate = NAME(energy_run),
    .energy_differentiate = NAME(energy_differentiate),
    .energy_write = NAME(energy_write),
    .relu_sizes = NAME(relu_sizes),
    .relu_fill = NAME(relu_fill),
    .relu_evaluate = NAME(relu_run),
    .relu_differentiate = NAME(relu_differentiate),
    .relu_write = NAME(relu_write),
    .draw_evaluate = NAME(draw_run),
    .draw_differentiate = NAME(draw_differentiate),
    .adam = NAME(adam),
};
