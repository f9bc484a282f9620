/* What Python gives, checked: shapes of networks, and arrays of the right sizes. */

/* Read a tuple (dim, inputs, h_1, …): dim 0 stands for a network of its inputs themselves. */
static int read_shape(PyObject *numbers, int relu, shape *of) {
    const Py_ssize_t count = PyTuple_Size(numbers);
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
    long numbers = relu ? 0 : of->width[of->layers];
    for (long l = 0; l < of->layers; l++) numbers += (of->width[l] + 1) * of->width[l + 1];
    return numbers;
}

/* The buffers of one call, let go of together. */
typedef struct {
    Py_buffer views[3 * MAX_LAYERS + 12];
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
