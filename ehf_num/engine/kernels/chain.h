/* A chain of kicks and drifts and its pullback: splitting.py says what and why. */

typedef struct {
    long hamiltonians, parts; /* parts: kicks and drifts of each, a kick first */
    const double *factors;    /* of each part, the same for every Hamiltonian */
    const NAME(energy) *nets;      /* K_1, U_1, K_2, … */
    const NAME(energy_bars) *bars; /* of each, in a pullback */
    REAL *work;                    /* 3 TILE d numbers */
} NAME(chain);

/* What a kick or drift depends on, what it moves, and by which network. */
#define FIXED(kick) ((kick) ? 0 : d)
#define MOVED(kick) ((kick) ? d : 0)
#define NET(index, kick) (2 * (index) + (kick))

INLINE void NAME(gather)(long rows, long d, const REAL *from, long pitch, REAL factor, REAL *to) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) to[i * d + j] = factor * from[i * pitch + j];
}

INLINE void NAME(scatter)(long rows, long d, const REAL *from, REAL factor, REAL *to, long pitch) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < d; j++) to[i * pitch + j] += factor * from[i * d + j];
}

/* Do one kick or drift of a tile's states, or undo it, and leave its evaluation in a block. */
INLINE void NAME(chain_part)(const NAME(chain) *chain, long rows, REAL *state, long index, long part,
                             REAL direction, REAL *block) {
    const int kick = part % 2 == 0;
    const NAME(energy) *net = chain->nets + NET(index, kick);
    const long d = net->of->dim;
    NAME(gather)(rows, d, state + FIXED(kick), 2 * d, 1, block);
    NAME(gradient_evaluate)(net, rows, block, chain->work);
    NAME(scatter)(rows, d, chain->work, direction * (REAL)chain->factors[part],
                  state + MOVED(kick), 2 * d);
}

/* Move states (n, 2d) where they lie. A step of 0 keeps nothing: one block serves all. */
static TARGET void NAME(chain_forward)(const NAME(chain) *chain, long n, REAL *states, REAL *kept,
                                       long step) {
    const long d = chain->nets[0].of->dim;
    for (long start = 0; start < n; start += TILE) {
        const long rows = n - start < TILE ? n - start : TILE;
        for (long index = 0; index < chain->hamiltonians; index++)
            for (long part = 0; part < chain->parts; part++, kept += step)
                NAME(chain_part)(chain, rows, states + 2 * d * start, index, part, 1, kept);
    }
}

/* Turn cotangents of the states at the end into those of the start, where they lie, and add those
   of the weights. A step of 0: nothing was kept, and the states at the end are given, which are
   taken back to the start; one block serves all. */
static TARGET void NAME(chain_pull_back)(const NAME(chain) *chain, long n, REAL *states, REAL *kept,
                                         long step, REAL *state_bars) {
    const long d = chain->nets[0].of->dim, parts = chain->hamiltonians * chain->parts;
    REAL *cotangent = chain->work + TILE * d, *x_bar = cotangent + TILE * d;
    for (long start = 0; start < n; start += TILE) {
        const long rows = n - start < TILE ? n - start : TILE;
        REAL *bar = state_bars + 2 * d * start;
        for (long number = parts - 1; number >= 0; number--) {
            const long index = number / chain->parts, part = number % chain->parts;
            const int kick = part % 2 == 0;
            REAL *block = kept + (start / TILE * parts + number) * step;
            if (!step) NAME(chain_part)(chain, rows, states + 2 * d * start, index, part, -1, block);
            NAME(gather)(rows, d, bar + MOVED(kick), 2 * d, (REAL)chain->factors[part],
                         cotangent);
            NAME(gradient_pull_back)(chain->nets + NET(index, kick), rows, block, cotangent, x_bar,
                                   chain->bars + NET(index, kick));
            NAME(scatter)(rows, d, x_bar, 1, bar + FIXED(kick), 2 * d);
        }
    }
}

/* Evaluate X_H = (∂K/∂p, -∂U/∂q) of every H at probes (n, 2d): fields (n, H, 2d). */
static TARGET void NAME(fields_forward)(const NAME(chain) *chain, long n, const REAL *probes,
                                        REAL *fields, REAL *kept, long step) {
    const long d = chain->nets[0].of->dim, pitch = 2 * d * chain->hamiltonians;
    for (long start = 0; start < n; start += TILE) {
        const long rows = n - start < TILE ? n - start : TILE;
        for (long index = 0; index < chain->hamiltonians; index++)
            for (int kick = 0; kick < 2; kick++, kept += step) {
                REAL *to = fields + start * pitch + index * 2 * d + MOVED(kick);
                NAME(gather)(rows, d, probes + 2 * d * start + FIXED(kick), 2 * d, 1, kept);
                NAME(gradient_evaluate)(chain->nets + NET(index, kick), rows, kept, chain->work);
                for (long i = 0; i < rows; i++)
                    for (long j = 0; j < d; j++)
                        to[i * pitch + j] = kick ? -chain->work[i * d + j] : chain->work[i * d + j];
            }
    }
}

/* Add the cotangents of probes, where they are asked for, and of weights. A step of 0: nothing was
   kept, and the probes are given. */
static TARGET void NAME(fields_pull_back)(const NAME(chain) *chain, long n, const REAL *probes,
                                          const REAL *field_bars, REAL *kept, long step,
                                          REAL *probe_bars) {
    const long d = chain->nets[0].of->dim, pitch = 2 * d * chain->hamiltonians;
    REAL *cotangent = chain->work + TILE * d, *x_bar = probe_bars ? cotangent + TILE * d : 0;
    for (long start = 0; start < n; start += TILE) {
        const long rows = n - start < TILE ? n - start : TILE;
        for (long index = 0; index < chain->hamiltonians; index++)
            for (int kick = 0; kick < 2; kick++, kept += step) {
                const NAME(energy) *net = chain->nets + NET(index, kick);
                if (!step) {
                    NAME(gather)(rows, d, probes + 2 * d * start + FIXED(kick), 2 * d, 1, kept);
                    NAME(gradient_evaluate)(net, rows, kept, chain->work);
                }
                NAME(gather)(rows, d, field_bars + start * pitch + index * 2 * d + MOVED(kick),
                             pitch, kick ? -1 : 1, cotangent);
                NAME(gradient_pull_back)(net, rows, kept, cotangent, x_bar,
                                       chain->bars + NET(index, kick));
                if (x_bar)
                    NAME(scatter)(rows, d, x_bar, 1, probe_bars + 2 * d * start + FIXED(kick), 2 * d);
            }
    }
}
