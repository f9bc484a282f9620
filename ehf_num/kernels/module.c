/* ehf_num._native: kernels in C, given arrays through the buffer protocol.

   kernels.h is compiled for float and double and for each instruction set; which one is used is
   decided when the module is imported. Every size is checked here, so that a call that is wrong
   raises an error and never writes past an array. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define MAX_LAYERS 8
#define MAX_NETWORKS 64

typedef struct { long packed, kept, work, bars, tile; } sizes;

typedef struct {
    long width[MAX_LAYERS + 1], layers, networks, parts, rows, probe_rows;
    double dt;
    int keep;
    const void *packed;
    void *states, *probes, *fields, *kept, *work, *state_bars, *probe_bars, *bars, *weight_bars;
} chain_call;

typedef struct {
    size_t real;
    void (*energy_sizes)(const long *, long, sizes *);
    void (*energy_fill)(const long *, long, const void *const *, void *);
    void (*chain_evaluate)(const chain_call *);
    void (*chain_differentiate)(const chain_call *);
    void (*energy_evaluate)(const chain_call *);
    void (*energy_differentiate)(const chain_call *);
    void (*relu_sizes)(const long *, long, sizes *);
    void (*relu_fill)(const long *, long, const void *const *, void *);
    void (*relu_evaluate)(const chain_call *);
    void (*relu_differentiate)(const chain_call *);
    void (*adam)(long, void *, const void *, void *, void *, const double *);
} kernels;

#define VBYTES 16
#define TARGET
#define SUFFIX(x) plain_##x
#include "both_types.h"

#if defined(__x86_64__)
#define VBYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#define SUFFIX(x) avx2_##x
#include "both_types.h"

#define VBYTES 64
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#define SUFFIX(x) avx512_##x
#include "both_types.h"
#endif

static const kernels *of_float = &plain_float_table, *of_double = &plain_double_table;

/* ---- arguments ---- */

static const kernels *table_of(int is_double) { return is_double ? of_double : of_float; }

/* Read (is_double, widths) into a call; widths are those of x and of every layer's output. */
static int read_widths(PyObject *widths, long *width, long *layers) {
    const Py_ssize_t count = PyTuple_Size(widths);
    if (count < 2 || count > MAX_LAYERS + 1) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "widths: %zd given, 2 to %d are possible", count,
                         MAX_LAYERS + 1);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        width[i] = PyLong_AsLong(PyTuple_GetItem(widths, i));
        if (width[i] < 1 || width[i] > 1 << 20) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "widths: 1 to 2^20 each");
            return -1;
        }
    }
    *layers = (long)count - 1;
    return 0;
}

/* The buffers of one call, let go of together. */
typedef struct {
    Py_buffer views[3 * MAX_LAYERS + 8];
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

static PyObject *sizes_as_tuple(const sizes *of) {
    return Py_BuildValue("(lllll)", of->packed, of->kept, of->work, of->bars, of->tile);
}

static PyObject *measure(PyObject *args, int relu) {
    int is_double;
    PyObject *widths;
    long width[MAX_LAYERS + 1], layers;
    if (!PyArg_ParseTuple(args, "pO!", &is_double, &PyTuple_Type, &widths) ||
        read_widths(widths, width, &layers))
        return 0;
    sizes of;
    const kernels *table = table_of(is_double);
    (relu ? table->relu_sizes : table->energy_sizes)(width, layers, &of);
    return sizes_as_tuple(&of);
}

static PyObject *energy_sizes(PyObject *self, PyObject *args) { return measure(args, 0); }
static PyObject *relu_sizes(PyObject *self, PyObject *args) { return measure(args, 1); }

/* (is_double, widths, weights, packed): weights is a sequence of arrays, of one network. */
static PyObject *fill(PyObject *args, int relu) {
    int is_double;
    PyObject *widths, *weights, *packed;
    long width[MAX_LAYERS + 1], layers;
    if (!PyArg_ParseTuple(args, "pO!O!O", &is_double, &PyTuple_Type, &widths, &PyTuple_Type,
                          &weights, &packed) ||
        read_widths(widths, width, &layers))
        return 0;
    if (PyTuple_Size(weights) != 2 * layers + !relu)
        return PyErr_Format(PyExc_ValueError, "weights: %zd given for %ld layers",
                            PyTuple_Size(weights), layers);
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    sizes of;
    (relu ? table->relu_sizes : table->energy_sizes)(width, layers, &of);
    buffers held = {.count = 0};
    const void *arrays[2 * MAX_LAYERS + 1];
    void *to = borrow(&held, packed, "packed", 1, real, of.packed, 1);
    for (long i = 0; to && i < PyTuple_Size(weights); i++) {
        const long fan_out = i == 2 * layers ? 1 : width[i / 2 + 1];
        const long fan_in = i == 2 * layers ? width[layers] : i % 2 ? 1 : width[i / 2];
        arrays[i] = borrow(&held, PyTuple_GetItem(weights, i), "weights", 0, real,
                           fan_in * fan_out, 1);
        if (!arrays[i]) to = 0;
    }
    if (to) (relu ? table->relu_fill : table->energy_fill)(width, layers, arrays, to);
    release(&held);
    if (!to) return 0;
    Py_RETURN_NONE;
}

static PyObject *energy_fill(PyObject *self, PyObject *args) { return fill(args, 0); }
static PyObject *relu_fill(PyObject *self, PyObject *args) { return fill(args, 1); }

/* Count rows of an array that was borrowed last. */
static long rows_of(const buffers *held, size_t real, long width) {
    return (long)((size_t)held->views[held->count - 1].len / real) / width;
}

static long tiles(long rows, long tile) { return (rows + tile - 1) / tile; }

/* (is_double, widths, networks, steps, dt, keep, packed, states, probes, fields, kept, work), and
   for the pullback (…, state_bars, probe_bars, bars, weight_bars). */
static PyObject *run_chain(PyObject *args, int backward) {
    int is_double;
    long steps;
    PyObject *widths, *packed, *states, *probes, *fields, *kept, *work;
    PyObject *state_bars = 0, *probe_bars = 0, *bars = 0, *weight_bars = 0;
    chain_call call = {.keep = 0};
    if (!PyArg_ParseTuple(args, backward ? "pO!lldpOOOOOOOOOO" : "pO!lldpOOOOOO", &is_double,
                          &PyTuple_Type, &widths, &call.networks, &steps, &call.dt, &call.keep,
                          &packed, &states, &probes, &fields, &kept, &work, &state_bars, &probe_bars,
                          &bars, &weight_bars) ||
        read_widths(widths, call.width, &call.layers))
        return 0;
    if (steps < 1 || call.networks < 2 || call.networks > MAX_NETWORKS || call.networks % 2)
        return PyErr_Format(PyExc_ValueError, "%ld steps, %ld networks", steps, call.networks);
    call.parts = 2 * steps + 1;
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    const long wide = 2 * call.width[0];
    sizes of;
    table->energy_sizes(call.width, call.layers, &of);
    buffers held = {.count = 0};
    PyObject *result = 0;
    if (!(call.packed = borrow(&held, packed, "packed", 0, real, of.packed * call.networks, 1)) ||
        !(call.states = borrow(&held, states, "states", 1, real, -1, 0)))
        goto end;
    call.rows = rows_of(&held, real, wide);
    if (!(call.probes = borrow(&held, probes, "probes", 0, real, -1, 0))) goto end;
    call.probe_rows = rows_of(&held, real, wide);
    const long evaluations = call.networks * tiles(call.probe_rows, of.tile) +
                             call.networks / 2 * call.parts * tiles(call.rows, of.tile);
    const long outputs = call.probe_rows * call.networks / 2 * wide;
    if (!(call.fields = borrow(&held, fields, "fields", !backward, real, outputs, 1)) ||
        !(call.kept = borrow(&held, kept, "kept", 1, real, of.kept * (call.keep ? evaluations : 1),
                             0)) ||
        !(call.work = borrow(&held, work, "work", 1, real, of.work, 0)))
        goto end;
    if (backward) {
        long numbers = call.width[call.layers];
        for (long l = 0; l < call.layers; l++) numbers += (call.width[l] + 1) * call.width[l + 1];
        if (!(call.state_bars =
                  borrow(&held, state_bars, "state_bars", 1, real, call.rows * wide, 1)) ||
            !(call.probe_bars =
                  borrow(&held, probe_bars, "probe_bars", 1, real, call.probe_rows * wide, 1)) ||
            !(call.bars = borrow(&held, bars, "bars", 1, real, of.bars * call.networks, 0)) ||
            !(call.weight_bars = borrow(&held, weight_bars, "weight_bars", 1, real,
                                        numbers * call.networks, 1)))
            goto end;
    }
    Py_BEGIN_ALLOW_THREADS
    (backward ? table->chain_differentiate : table->chain_evaluate)(&call);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    release(&held);
    return result;
}

static PyObject *chain_forward(PyObject *self, PyObject *args) { return run_chain(args, 0); }
static PyObject *chain_pull_back(PyObject *self, PyObject *args) { return run_chain(args, 1); }

/* (is_double, widths, keep, packed, x, out, kept, work), and for the pullback, in which out is the
   cotangent, (is_double, widths, packed, out, kept, work, x_bars, bars, weight_bars). */
static PyObject *run_network(PyObject *args, int backward, int relu) {
    int is_double;
    PyObject *widths, *packed, *x = 0, *out, *kept, *work, *x_bars = 0, *bars = 0, *weight_bars = 0;
    chain_call call = {.keep = 1, .networks = 1};
    if (!(backward ? PyArg_ParseTuple(args, "pO!OOOOOOO", &is_double, &PyTuple_Type, &widths, &packed,
                                      &out, &kept, &work, &x_bars, &bars, &weight_bars)
                   : PyArg_ParseTuple(args, "pO!pOOOOO", &is_double, &PyTuple_Type, &widths,
                                      &call.keep, &packed, &x, &out, &kept, &work)) ||
        read_widths(widths, call.width, &call.layers))
        return 0;
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    const long into = call.width[0], out_of = relu ? call.width[call.layers] : into;
    sizes of;
    (relu ? table->relu_sizes : table->energy_sizes)(call.width, call.layers, &of);
    buffers held = {.count = 0};
    PyObject *result = 0;
    if (!(call.packed = borrow(&held, packed, "packed", 0, real, of.packed, 1)) ||
        !(call.fields = borrow(&held, out, "out", !backward, real, -1, 0)))
        goto end;
    call.rows = rows_of(&held, real, out_of);
    const long blocks = call.keep ? tiles(call.rows, of.tile) : 1;
    if (!(call.kept = borrow(&held, kept, "kept", 1, real, of.kept * blocks, 0)) ||
        !(call.work = borrow(&held, work, "work", 1, real, of.work, 0)))
        goto end;
    if (!backward && !(call.states = borrow(&held, x, "x", 0, real, call.rows * into, 1))) goto end;
    if (backward) {
        long numbers = relu ? 0 : call.width[call.layers];
        for (long l = 0; l < call.layers; l++) numbers += (call.width[l] + 1) * call.width[l + 1];
        if (!(call.state_bars = borrow(&held, x_bars, "x_bars", 1, real, call.rows * into, 1)) ||
            !(call.bars = borrow(&held, bars, "bars", 1, real, of.bars, 0)) ||
            !(call.weight_bars = borrow(&held, weight_bars, "weight_bars", 1, real, numbers, 1)))
            goto end;
    }
    Py_BEGIN_ALLOW_THREADS
    if (relu)
        (backward ? table->relu_differentiate : table->relu_evaluate)(&call);
    else
        (backward ? table->energy_differentiate : table->energy_evaluate)(&call);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    release(&held);
    return result;
}

static PyObject *energy_forward(PyObject *self, PyObject *args) { return run_network(args, 0, 0); }
static PyObject *energy_pull_back(PyObject *self, PyObject *args) { return run_network(args, 1, 0); }
static PyObject *relu_forward(PyObject *self, PyObject *args) { return run_network(args, 0, 1); }
static PyObject *relu_pull_back(PyObject *self, PyObject *args) { return run_network(args, 1, 1); }

/* (is_double, theta, gradient, first, second, beta1, beta2, epsilon, rate) */
static PyObject *adam_step(PyObject *self, PyObject *args) {
    int is_double;
    PyObject *theta, *gradient, *first, *second;
    double constants[4];
    if (!PyArg_ParseTuple(args, "pOOOOdddd", &is_double, &theta, &gradient, &first, &second,
                          constants, constants + 1, constants + 2, constants + 3))
        return 0;
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    buffers held = {.count = 0};
    void *arrays[4] = {borrow(&held, theta, "theta", 1, real, -1, 0), 0, 0, 0};
    const long n = arrays[0] ? rows_of(&held, real, 1) : 0;
    const int fine = arrays[0] && (arrays[1] = borrow(&held, gradient, "gradient", 0, real, n, 1)) &&
                     (arrays[2] = borrow(&held, first, "first", 1, real, n, 1)) &&
                     (arrays[3] = borrow(&held, second, "second", 1, real, n, 1));
    if (fine) table->adam(n, arrays[0], arrays[1], arrays[2], arrays[3], constants);
    release(&held);
    if (!fine) return 0;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"energy_sizes", energy_sizes, METH_VARARGS, 0},
    {"energy_fill", energy_fill, METH_VARARGS, 0},
    {"energy_forward", energy_forward, METH_VARARGS, 0},
    {"energy_pull_back", energy_pull_back, METH_VARARGS, 0},
    {"chain_forward", chain_forward, METH_VARARGS, 0},
    {"chain_pull_back", chain_pull_back, METH_VARARGS, 0},
    {"relu_sizes", relu_sizes, METH_VARARGS, 0},
    {"relu_fill", relu_fill, METH_VARARGS, 0},
    {"relu_forward", relu_forward, METH_VARARGS, 0},
    {"relu_pull_back", relu_pull_back, METH_VARARGS, 0},
    {"adam_step", adam_step, METH_VARARGS, 0},
    {0},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", 0, -1, methods};

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *module = PyModule_Create(&definition);
    const char *instructions = "plain";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        of_float = &avx512_float_table, of_double = &avx512_double_table, instructions = "avx512";
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        of_float = &avx2_float_table, of_double = &avx2_double_table, instructions = "avx2";
    }
#endif
    if (module && (PyModule_AddStringConstant(module, "instructions", instructions) ||
                   PyModule_AddIntConstant(module, "MAX_LAYERS", MAX_LAYERS) ||
                   PyModule_AddIntConstant(module, "MAX_NETWORKS", MAX_NETWORKS)))
        Py_CLEAR(module);
    return module;
}
