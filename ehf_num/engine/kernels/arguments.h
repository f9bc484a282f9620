/* What Python gives, checked: shapes of networks, and arrays of the right sizes. */

/* How many numbers describe a sum over windows, before the widths of its networks. */
#define WINDOW_NUMBERS 13

/* Read a tuple (distance of Gaussians, dim, windows, forms, invariants, lengths, Gaussians, kinds,
   sites, kinds of sites, edges, angles, hidden layers, h_1, …, and of sites their widths). */
static int read_windows(PyObject *numbers, shape *of, windows *room) {
    const long count = (long)PyTuple_Size(numbers);
    long *const fields[] = {&of->dim,       &room->count, &room->forms, &room->invariants,
                            &room->lengths, &room->gaussians, &room->kinds, &room->sites,
                            &room->site_kinds, &room->edges, &room->angular, &room->hidden};
    *room = (windows){.spacing = PyFloat_AsDouble(PyTuple_GetItem(numbers, 0))};
    int fine = room->spacing > 0;
    long given[2 * MAX_LAYERS + WINDOW_NUMBERS];
    fine = fine && count <= 2 * MAX_LAYERS + WINDOW_NUMBERS;
    for (long i = 1; fine && i < count; i++) {
        given[i] = PyLong_AsLong(PyTuple_GetItem(numbers, i));
        fine = given[i] >= (i < 5 || i == 7 || i >= 12) && given[i] <= 1 << 18;
        if (i < WINDOW_NUMBERS) *fields[i - 1] = given[i];
    }
    const long widths = count - WINDOW_NUMBERS, of_sites = widths - room->hidden;
    fine = fine && 2 * room->angular <= room->forms && room->hidden < MAX_LAYERS &&
           of_sites <= MAX_LAYERS && of_sites >= 0 && (of_sites > 0) == (room->sites > 0) &&
           (room->site_kinds > 0) == (room->sites > 0);
    if (!fine) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "widths: not of a sum over windows");
        return -1;
    }
    of->layers = 0, of->featured = 0, of->width[0] = of->dim, of->windows = room;
    room->net.layers = room->hidden + (room->sites > 0);
    room->net.width[0] = room->invariants + room->lengths * (1 + room->gaussians) + room->kinds;
    for (long l = 1; l <= room->net.layers; l++)
        room->net.width[l] = given[WINDOW_NUMBERS + l - 1];
    if (!of_sites) return 0;
    room->site.layers = of_sites - 1;
    for (long l = 0; l < of_sites; l++)
        room->site.width[l] = given[WINDOW_NUMBERS + room->hidden + l];
    return 0;
}

/* Read a tuple (dim, inputs, h_1, …): dim 0 stands for a network of its inputs themselves. */
static int read_shape(PyObject *numbers, int relu, shape *of, windows *room) {
    const Py_ssize_t count = PyTuple_Size(numbers);
    of->windows = 0;
    if (!relu && count > WINDOW_NUMBERS) return read_windows(numbers, of, room);
    if (count < 3 || count > MAX_LAYERS + 2) {
        PyErr_Format(PyExc_ValueError, "widths: %zd given, 3 to %d are possible", count,
                     MAX_LAYERS + 2);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const long number = PyLong_AsLong(PyTuple_GetItem(numbers, i));
        const long most = i ? 1 << 20 : relu ? 0 : MAX_FEATURED;
        if (number < (i > 0) || number > most) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_ValueError, "widths: %ld given, %d to %ld are possible", number,
                             i > 0, most);
            return -1;
        }
        *(i ? of->width + i - 1 : &of->dim) = number;
    }
    of->layers = (long)count - 2;
    of->featured = of->dim > 0;
    if (!of->featured) of->dim = of->width[0];
    return 0;
}

/* Numbers in the weights that have cotangents. */
static long weights_of(const shape *of, int relu) {
    if (of->windows) {
        const windows *sum = of->windows;
        const shape *net = &sum->net, *site = &sum->site;
        long all = net->width[sum->hidden] * (1 + site->width[0]);
        for (long l = 0; l < sum->hidden; l++) all += (net->width[l] + (l > 0)) * net->width[l + 1];
        for (long l = 0; l < site->layers; l++) all += (site->width[l] + 1) * site->width[l + 1];
        return all + sum->site_kinds * site->width[0] + site->width[site->layers];
    }
    long numbers = relu ? 0 : of->width[of->layers];
    for (long l = 0; l < of->layers; l++) numbers += (of->width[l] + 1) * of->width[l + 1];
    return numbers;
}

/* The buffers of one call, let go of together. */
typedef struct {
    Py_buffer views[MOST_ARRAYS + 12];
    int count;
} buffers;

static void release(buffers *held) {
    while (held->count) PyBuffer_Release(&held->views[--held->count]);
}

/* Borrow an array of so many numbers (at least, where more may be lent; -1: any). */
static void *borrow(buffers *held, PyObject *array, const char *name, int writable, size_t real,
                    long numbers, int exactly) {
    Py_buffer *view = &held->views[held->count];
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)))
        return 0;
    held->count++;
    const size_t need = (size_t)(numbers < 0 ? 0 : numbers) * real, have = (size_t)view->len;
    if (exactly ? have != need : have < need || have % real) {
        PyErr_Format(PyExc_ValueError, "%s: %zu bytes given, %zu needed", name, have, need);
        return 0;
    }
    return view->buf ? view->buf : (void *)held; /* an empty array may have no memory */
}

/* Count rows of an array that was borrowed last; -1 with an error where they are not whole. */
static long rows_of(const buffers *held, const char *name, size_t real, long width) {
    const long numbers = (long)((size_t)held->views[held->count - 1].len / real);
    if (numbers % width) {
        PyErr_Format(PyExc_ValueError, "%s: %zd bytes given, rows are of %ld numbers", name,
                     held->views[held->count - 1].len, width);
        return -1;
    }
    return numbers / width;
}

static long tiles(long rows, long tile) { return (rows + tile - 1) / tile; }

static int wrong_shares(const call *run) {
    const long fewest = run->shares < run->workers ? run->shares : run->workers;
    const long most = run->shares < run->workers ? run->workers : run->shares;
    if (fewest >= 1 && most <= MAX_THREADS) return 0;
    PyErr_Format(PyExc_ValueError, "%ld shares, %ld threads given, 1 to %d are possible",
                 run->shares, run->workers, MAX_THREADS);
    return 1;
}

static long places_of(const windows *of) {
    return of->lengths + of->count + 2 * of->edges + of->sites;
}

/* How many numbers each array has that `fill` gets for a network; returns how many arrays. */
static long array_sizes(const shape *of, int relu, long *sizes) {
    const windows *sum = of->windows;
    const shape *net = sum ? &sum->net : of;
    long count = 0;
    for (int i = 0; i < (sum ? 2 : 1); i++, net = sum ? &sum->site : 0)
        for (long l = 0; l < net->layers; l++) {
            sizes[count++] = net->width[l] * net->width[l + 1];
            sizes[count++] = net->width[l + 1];
        }
    if (relu) return count;
    if (!sum) {
        sizes[count++] = of->width[of->layers];
        if (!of->featured) return count;
        sizes[count++] = of->width[0] * of->dim * of->dim;
        sizes[count++] = of->width[0] * of->dim;
        return count;
    }
    sizes[count++] = sum->net.width[sum->hidden];
    sizes[count++] = sum->site.width[sum->site.layers];
    sizes[count++] = sum->site_kinds * sum->site.width[0];
    sizes[count++] = sum->count * (sum->forms - sum->angular) * of->dim;
    sizes[count++] = sum->invariants * sum->forms * (sum->forms + 1) + places_of(sum);
    return count;
}

/* Whether what follows the invariants' numbers says where things are, and they are there. */
static int right_places(const windows *of, int is_double, const void *numbers) {
    const long limits[] = {of->invariants, of->kinds, of->sites, of->count, of->site_kinds};
    const long counts[] = {of->lengths, of->count, of->edges, of->edges, of->sites};
    const long skipped = of->invariants * of->forms * (of->forms + 1);
    const long edges = skipped + of->lengths + of->count;
    for (int part = 0; part < 5; part++)
        for (long i = 0; i < counts[part]; i++) {
            long at = part == 0   ? skipped + i
                      : part == 1 ? skipped + of->lengths + i
                      : part == 4 ? edges + 2 * of->edges + i
                                  : edges + 2 * i + (part == 3);
            const double place =
                is_double ? ((const double *)numbers)[at] : (double)((const float *)numbers)[at];
            if (!(place >= 0 && place < limits[part])) return 0;
        }
    return 1;
}
