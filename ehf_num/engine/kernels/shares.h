/* Rows of a call in shares. How many there are does not depend on who does them. */

/* Numbers that a row, a field, an evaluation that is kept, or a share take in each array. */
typedef struct { long row, field, kept, work, bars; } strides;

/* Numbers from one share's rows on to the next one's: Python's `parallel.lengths` cuts alike. */
static long first_of(long rows, long share, long shares) { return rows * share / shares; }

static call rows_of_share(const call *whole, long share) {
    call part = *whole;
    const long row = first_of(whole->rows, share, whole->shares);
    const long probe = first_of(whole->probe_rows, share, whole->shares);
    part.share = share;
    part.rows = first_of(whole->rows, share + 1, whole->shares) - row;
    part.probe_rows = first_of(whole->probe_rows, share + 1, whole->shares) - probe;
    return part;
}

/* Evaluations of a tile that a share keeps. */
static long evaluations(const call *part, long tile) {
    if (!part->keep) return 1;
    if (!part->parts) return part->networks * tiles(part->rows, tile);
    return part->networks * tiles(part->probe_rows, tile) +
           part->networks / 2 * part->parts * tiles(part->rows, tile);
}

static long all_evaluations(const call *whole, long tile) {
    long sum = 0;
    for (long k = 0; k < whole->shares; k++) {
        const call part = rows_of_share(whole, k);
        sum += evaluations(&part, tile);
    }
    return sum;
}

static void *beyond(void *start, long numbers, size_t real) {
    return start ? (char *)start + (size_t)numbers * real : 0;
}

/* Do a call's shares at the same time; then, where there is something to write, write it. */
static void run_call(call *whole, strides of, size_t real, long tile, kernel function,
                     kernel write) {
    call parts[MAX_THREADS];
    long row = 0, probe = 0, kept = 0;
    whole->bars_size = of.bars, whole->work_bytes = (size_t)of.work * real;
    for (long k = 0; k < whole->shares; k++) {
        call *part = parts + k;
        *part = rows_of_share(whole, k);
        part->states = beyond(whole->states, row * of.row, real);
        part->state_bars = beyond(whole->state_bars, row * of.row, real);
        part->probes = beyond(whole->probes, probe * of.row, real);
        part->probe_bars = beyond(whole->probe_bars, probe * of.row, real);
        part->fields = beyond(whole->fields, (whole->networks == 1 ? row : probe) * of.field, real);
        part->kept = beyond(whole->kept, kept * of.kept, real);
        part->scales = beyond(whole->scales, row * of.row, real);
        part->slopes = beyond(whole->slopes, row * of.row, real);
        part->bars = beyond(whole->bars, k * of.bars, real);
        row += part->rows, probe += part->probe_rows, kept += evaluations(part, tile);
    }
    run_shares(function, parts, whole->shares, whole->workers);
    if (!write) return;
    for (long k = 0; k < whole->shares; k++) parts[k] = *whole, parts[k].share = k;
    run_shares(write, parts, whole->shares, whole->workers);
}
