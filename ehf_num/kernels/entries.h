/* The kernels as functions of untyped arrays, and their table. Sizes were checked by the caller. */

static void NAME(energy_sizes)(const long *width, long layers, sizes *of) {
    NAME(energy) net = {0};
    NAME(energy_bind)(&net, width, layers, 0, 0);
    *of = (sizes){.packed = NAME(energy_packed)(width, layers), .kept = NAME(energy_kept)(&net),
                  .work = NAME(energy_work)(&net) + 3 * TILE * width[0], .tile = TILE,
                  .bars = NAME(energy_bars_size)(width, layers)};
}

static void NAME(energy_fill)(const long *width, long layers, const void *const *weights,
                              void *packed) {
    NAME(energy) net = {0};
    NAME(energy_bind)(&net, width, layers, (const REAL *const *)weights, packed);
}

/* Bind the networks of a chain, and their cotangents, which start from zero, where there are any. */
static void NAME(bind_chain)(const chain_call *call, NAME(energy) *nets, NAME(energy_bars) *bars) {
    const long numbers = NAME(energy_bars_size)(call->width, call->layers) * call->networks;
    REAL *packed = (REAL *)call->packed, *work = call->work, *sums = call->bars;
    for (long i = 0; sums && i < numbers; i++) sums[i] = 0;
    for (long i = 0; i < call->networks; i++) {
        packed = NAME(energy_bind)(nets + i, call->width, call->layers, 0, packed);
        nets[i].work = work + 3 * TILE * call->width[0];
        if (sums) sums = NAME(energy_open_bars)(bars + i, nets + i, sums);
    }
}

static void NAME(chain_evaluate)(const chain_call *call) {
    NAME(energy) nets[MAX_NETWORKS];
    NAME(bind_chain)(call, nets, 0);
    const NAME(chain) chain = {call->networks / 2, call->parts, call->dt, nets, 0, call->work};
    const long step = call->keep ? NAME(energy_kept)(nets) : 0;
    NAME(chain_forward)(&chain, call->rows, call->states, call->kept, step);
    REAL *rest = (REAL *)call->kept + step * chain.hamiltonians * chain.parts *
                                          ((call->rows + TILE - 1) / TILE);
    NAME(fields_forward)(&chain, call->probe_rows, call->probes, call->fields, rest, step);
}

static void NAME(chain_differentiate)(const chain_call *call) {
    NAME(energy) nets[MAX_NETWORKS];
    NAME(energy_bars) bars[MAX_NETWORKS];
    NAME(bind_chain)(call, nets, bars);
    const NAME(chain) chain = {call->networks / 2, call->parts, call->dt, nets, bars, call->work};
    const long step = call->keep ? NAME(energy_kept)(nets) : 0;
    NAME(chain_pull_back)(&chain, call->rows, call->states, call->kept, step, call->state_bars);
    REAL *rest = (REAL *)call->kept + step * chain.hamiltonians * chain.parts *
                                          ((call->rows + TILE - 1) / TILE);
    NAME(fields_pull_back)(&chain, call->probe_rows, call->probes, call->fields, rest, step,
                           call->probe_bars);
    REAL *to = call->weight_bars;
    for (long i = 0; i < call->networks; i++) to = NAME(energy_write_bars)(nets + i, bars + i, to);
}

static void NAME(energy_run)(const chain_call *call) {
    NAME(energy) net = {0};
    NAME(bind_chain)(call, &net, 0);
    NAME(energy_forward)(&net, call->rows, call->states, call->fields, call->kept,
                         call->keep ? NAME(energy_kept)(&net) : 0);
}

static void NAME(energy_differentiate)(const chain_call *call) {
    NAME(energy) net = {0};
    NAME(energy_bars) bars;
    NAME(bind_chain)(call, &net, &bars);
    const REAL *kept = call->kept, *cotangent = call->fields;
    REAL *out = call->state_bars;
    for (long start = 0; start < call->rows; start += TILE, kept += NAME(energy_kept)(&net)) {
        const long rows = call->rows - start < TILE ? call->rows - start : TILE;
        const long here = start * call->width[0];
        NAME(energy_pull_back)(&net, rows, kept, cotangent + here, out + here, &bars);
    }
    NAME(energy_write_bars)(&net, &bars, call->weight_bars);
}

static void NAME(relu_sizes)(const long *width, long layers, sizes *of) {
    NAME(relu) net = {0};
    NAME(relu_bind)(&net, width, layers, 0, 0);
    *of = (sizes){.packed = NAME(relu_packed)(width, layers), .kept = NAME(relu_kept)(&net),
                  .work = NAME(relu_work)(&net), .tile = TILE, .bars = 0};
    for (long l = 0; l < layers; l++) of->bars += (width[l] + 1) * PADDED(width[l + 1]);
}

static void NAME(relu_fill)(const long *width, long layers, const void *const *weights,
                            void *packed) {
    NAME(relu) net = {0};
    NAME(relu_bind)(&net, width, layers, (const REAL *const *)weights, packed);
}

static void NAME(relu_run)(const chain_call *call) {
    NAME(relu) net = {0};
    NAME(relu_bind)(&net, call->width, call->layers, 0, (REAL *)call->packed);
    net.work = call->work;
    NAME(relu_forward)(&net, call->rows, call->states, call->fields, call->kept,
                       call->keep ? NAME(relu_kept)(&net) : 0);
}

static void NAME(relu_differentiate)(const chain_call *call) {
    NAME(relu) net = {0};
    NAME(relu_bind)(&net, call->width, call->layers, 0, (REAL *)call->packed);
    net.work = call->work;
    REAL *bars[2 * MAX_LAYERS], *sums = call->bars, *to = call->weight_bars;
    for (long l = 0; l < call->layers; l++) {
        bars[2 * l] = sums, sums += call->width[l] * PADDED(call->width[l + 1]);
        bars[2 * l + 1] = sums, sums += PADDED(call->width[l + 1]);
    }
    for (REAL *sum = call->bars; sum < sums; sum++) *sum = 0;
    NAME(relu_pull_back)(&net, call->rows, call->kept, NAME(relu_kept)(&net), call->fields,
                         call->state_bars, bars);
    for (long l = 0; l < call->layers; l++)
        for (long k = 0; k <= call->width[l]; k++)
            for (long j = 0; j < call->width[l + 1]; j++)
                *to++ = bars[2 * l][k * PADDED(call->width[l + 1]) + j];
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
    sizeof(REAL),           NAME(energy_sizes), NAME(energy_fill),        NAME(chain_evaluate),
    NAME(chain_differentiate), NAME(energy_run), NAME(energy_differentiate), NAME(relu_sizes),
    NAME(relu_fill),        NAME(relu_run),     NAME(relu_differentiate), NAME(adam),
};
