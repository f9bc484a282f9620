/* ehf_num._native: kernels in C, given arrays through the buffer protocol.

   kernels.h is compiled for float and double and for each instruction set; which one is used is
   decided when the module is imported. Every size is checked here, so that a call that is wrong
   raises an error and never writes past an array. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define MAX_LAYERS 8
#define MAX_NETWORKS 64
#define MAX_THREADS 64
#define VLEN_MOST 16 /* numbers in the widest vector */
#define MOST_ARRAYS (4 * MAX_LAYERS + 5) /* that describe a network */
#define MAX_FEATURED 4096 /* coordinates that features may be of: dim³ must not overflow */

typedef struct { long packed, kept, work, bars, tile; } sizes;

/* A network: of dim numbers, or of so many quadratic functions of them; width[0] is its inputs. Or a
   sum over windows of them, which has networks of its own. */
typedef struct windows windows;
typedef struct {
    long dim, width[MAX_LAYERS + 1], layers;
    int featured;
    const windows *windows;
} shape;

/* Windows are of so many forms, sines and cosines of angles among them, and so many invariants of
   those, some of them lengths of which there are Gaussians; edges say which window is at which site. */
struct windows {
    long count, forms, angular, invariants, lengths, gaussians, kinds, sites, site_kinds, edges,
        hidden;
    double spacing; /* of centres */
    shape net, site;
};

typedef struct {
    shape shapes[2]; /* of every K and every U */
    long networks, parts, rows, probe_rows;
    int keep;
    const double *factors; /* of the kicks and drifts of a chain, a kick first and last */
    const void *packed;
    void *states, *probes, *fields, *kept, *work, *state_bars, *probe_bars, *bars, *weight_bars;
    void *scales, *slopes; /* of a draw, whose noise are the probes */
    long share, shares, workers; /* which of how many, and how many threads do them */
    long bars_size;              /* numbers in the bars of a share */
    size_t work_bytes;           /* of a thread */
} call;

typedef struct {
    size_t real;
    void (*energy_sizes)(const shape *, sizes *);
    void (*energy_fill)(const shape *, const void *const *, void *);
    void (*chain_evaluate)(const call *);
    void (*chain_differentiate)(const call *);
    void (*energy_evaluate)(const call *);
    void (*energy_differentiate)(const call *);
    void (*energy_write)(const call *); /* what all shares add to the weights' cotangents */
    void (*relu_sizes)(const shape *, sizes *);
    void (*relu_fill)(const shape *, const void *const *, void *);
    void (*relu_evaluate)(const call *);
    void (*relu_differentiate)(const call *);
    void (*relu_write)(const call *);
    void (*draw_evaluate)(const call *);
    void (*draw_differentiate)(const call *);
    void (*adam)(long, void *, const void *, void *, void *, const double *);
} kernels;

#include "arguments.h"

#include "team.h"

#include "shares.h"

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

static const kernels *table_of(int is_double) { return is_double ? of_double : of_float; }

static PyObject *sizes_as_tuple(const sizes *of) {
    return Py_BuildValue("(lllll)", of->packed, of->kept, of->work, of->bars, of->tile);
}

static PyObject *measure(PyObject *args, int relu) {
    int is_double;
    PyObject *widths;
    shape network;
    windows room;
    if (!PyArg_ParseTuple(args, "pO!", &is_double, &PyTuple_Type, &widths) ||
        read_shape(widths, relu, &network, &room))
        return 0;
    sizes of;
    const kernels *table = table_of(is_double);
    (relu ? table->relu_sizes : table->energy_sizes)(&network, &of);
    return sizes_as_tuple(&of);
}

static PyObject *energy_sizes(PyObject *self, PyObject *args) { return measure(args, 0); }
static PyObject *relu_sizes(PyObject *self, PyObject *args) { return measure(args, 1); }

/* (is_double, widths, weights, packed): weights is a sequence of arrays, of one network; A and b of
   its features come last. */
static PyObject *fill(PyObject *args, int relu) {
    int is_double;
    PyObject *widths, *weights, *packed;
    shape network;
    windows room;
    if (!PyArg_ParseTuple(args, "pO!O!O", &is_double, &PyTuple_Type, &widths, &PyTuple_Type,
                          &weights, &packed) ||
        read_shape(widths, relu, &network, &room))
        return 0;
    long numbers[MOST_ARRAYS];
    const long count = array_sizes(&network, relu, numbers);
    if (PyTuple_Size(weights) != count)
        return PyErr_Format(PyExc_ValueError, "weights: %zd given, %ld needed", PyTuple_Size(weights),
                            count);
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    sizes of;
    (relu ? table->relu_sizes : table->energy_sizes)(&network, &of);
    buffers held = {.count = 0};
    const void *arrays[MOST_ARRAYS];
    void *to = borrow(&held, packed, "packed", 1, real, of.packed, 1);
    for (long i = 0; to && i < count; i++) {
        arrays[i] = borrow(&held, PyTuple_GetItem(weights, i), "weights", 0, real, numbers[i], 1);
        if (!arrays[i]) to = 0;
    }
    if (to && network.windows && !right_places(&room, is_double, arrays[count - 1])) {
        PyErr_SetString(PyExc_ValueError, "weights: places that do not exist");
        to = 0;
    }
    if (to) (relu ? table->relu_fill : table->energy_fill)(&network, arrays, to);
    release(&held);
    if (!to) return 0;
    Py_RETURN_NONE;
}

static PyObject *energy_fill(PyObject *self, PyObject *args) { return fill(args, 0); }
static PyObject *relu_fill(PyObject *self, PyObject *args) { return fill(args, 1); }

/* (shares, threads, is_double, widths of K, widths of U, networks, factors, keep, packed, states,
   probes, fields, kept, work), and for the pullback (…, state_bars, probe_bars, bars, weight_bars). */
static PyObject *run_chain(PyObject *args, int backward) {
    int is_double;
    PyObject *widths[2], *factors, *packed, *states, *probes, *fields, *kept, *work;
    PyObject *state_bars = 0, *probe_bars = 0, *bars = 0, *weight_bars = 0;
    call run = {.keep = 0};
    windows rooms[2];
    if (!PyArg_ParseTuple(args, backward ? "llpO!O!lOpOOOOOOOOOO" : "llpO!O!lOpOOOOOO",
                          &run.shares, &run.workers, &is_double, &PyTuple_Type, widths, &PyTuple_Type, widths + 1,
                          &run.networks, &factors, &run.keep, &packed, &states, &probes,
                          &fields, &kept, &work, &state_bars, &probe_bars, &bars, &weight_bars) ||
        wrong_shares(&run) || 
        read_shape(widths[0], 0, run.shapes, rooms) ||
        read_shape(widths[1], 0, run.shapes + 1, rooms + 1))
        return 0;
    if (run.shapes[0].dim != run.shapes[1].dim)
        return PyErr_Format(PyExc_ValueError, "widths: K is of %ld coordinates, U of %ld",
                            run.shapes[0].dim, run.shapes[1].dim);
    if (run.networks < 2 || run.networks > MAX_NETWORKS || run.networks % 2)
        return PyErr_Format(PyExc_ValueError, "%ld networks", run.networks);
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    const long wide = 2 * run.shapes[0].dim, pairs = run.networks / 2;
    sizes of[2];
    for (int i = 0; i < 2; i++) table->energy_sizes(run.shapes + i, of + i);
    const long one_kept = of[0].kept > of[1].kept ? of[0].kept : of[1].kept;
    const long most_work = of[0].work > of[1].work ? of[0].work : of[1].work;
    buffers held = {.count = 0};
    PyObject *result = 0;
    if (!(run.factors = borrow(&held, factors, "factors", 0, sizeof(double), -1, 0))) goto end;
    run.parts = rows_of(&held, "factors", sizeof(double), 1);
    if (run.parts % 2 == 0 || run.parts < 3 || run.parts > 1 << 21) {
        PyErr_Format(PyExc_ValueError, "factors: %ld given, an odd number from 3 on is possible",
                     run.parts);
        goto end;
    }
    if (!(run.packed = borrow(&held, packed, "packed", 0, real,
                              (of[0].packed + of[1].packed) * pairs, 1)) ||
        !(run.states = borrow(&held, states, "states", 1, real, -1, 0)))
        goto end;
    if ((run.rows = rows_of(&held, "states", real, wide)) < 0) goto end;
    if (!(run.probes = borrow(&held, probes, "probes", 0, real, -1, 0))) goto end;
    if ((run.probe_rows = rows_of(&held, "probes", real, wide)) < 0) goto end;
    const long outputs = run.probe_rows * pairs * wide, sums = (of[0].bars + of[1].bars) * pairs;
    if (!(run.fields = borrow(&held, fields, "fields", !backward, real, outputs, 1)) ||
        !(run.kept = borrow(&held, kept, "kept", 1, real,
                            one_kept * all_evaluations(&run, of->tile), 0)) ||
        !(run.work = borrow(&held, work, "work", 1, real, most_work * run.workers, 0)))
        goto end;
    if (backward) {
        const long numbers = weights_of(run.shapes, 0) + weights_of(run.shapes + 1, 0);
        if (!(run.state_bars =
                  borrow(&held, state_bars, "state_bars", 1, real, run.rows * wide, 1)) ||
            !(run.probe_bars =
                  borrow(&held, probe_bars, "probe_bars", 1, real, run.probe_rows * wide, 1)) ||
            !(run.bars = borrow(&held, bars, "bars", 1, real, sums * run.shares, 0)) ||
            !(run.weight_bars =
                  borrow(&held, weight_bars, "weight_bars", 1, real, numbers * pairs, 1)))
            goto end;
    }
    Py_BEGIN_ALLOW_THREADS
    run_call(&run, (strides){wide, pairs * wide, one_kept, most_work, sums}, real, of->tile,
             backward ? table->chain_differentiate : table->chain_evaluate,
             backward ? table->energy_write : 0);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    release(&held);
    return result;
}

static PyObject *chain_forward(PyObject *self, PyObject *args) { return run_chain(args, 0); }
static PyObject *chain_pull_back(PyObject *self, PyObject *args) { return run_chain(args, 1); }

/* (shares, threads, is_double, widths, keep, packed, x, out, kept, work), and for the pullback, in which out
   is the cotangent, (shares, threads, is_double, widths, packed, out, kept, work, x_bars, bars,
   weight_bars). */
static PyObject *run_network(PyObject *args, int backward, int relu) {
    int is_double;
    PyObject *widths, *packed, *x = 0, *out, *kept, *work, *x_bars = 0, *bars = 0, *weight_bars = 0;
    call run = {.keep = 1, .networks = 1};
    windows room;
    if (!(backward
              ? PyArg_ParseTuple(args, "llpO!OOOOOOO", &run.shares, &run.workers, &is_double, &PyTuple_Type, &widths,
                                 &packed, &out, &kept, &work, &x_bars, &bars, &weight_bars)
              : PyArg_ParseTuple(args, "llpO!pOOOOO", &run.shares, &run.workers, &is_double, &PyTuple_Type, &widths,
                                 &run.keep, &packed, &x, &out, &kept, &work)) ||
        wrong_shares(&run) || read_shape(widths, relu, run.shapes, &room))
        return 0;
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    const shape *network = run.shapes;
    const long into = network->dim, out_of = relu ? network->width[network->layers] : into;
    sizes of;
    (relu ? table->relu_sizes : table->energy_sizes)(network, &of);
    buffers held = {.count = 0};
    PyObject *result = 0;
    if (!(run.packed = borrow(&held, packed, "packed", 0, real, of.packed, 1)) ||
        !(run.fields = borrow(&held, out, "out", !backward, real, -1, 0)))
        goto end;
    if ((run.rows = rows_of(&held, "out", real, out_of)) < 0) goto end;
    const long blocks = all_evaluations(&run, of.tile);
    if (!(run.kept = borrow(&held, kept, "kept", 1, real, of.kept * blocks, 0)) ||
        !(run.work = borrow(&held, work, "work", 1, real, of.work * run.workers, 0)))
        goto end;
    if (!backward && !(run.states = borrow(&held, x, "x", 0, real, run.rows * into, 1))) goto end;
    if (backward) {
        if (!(run.state_bars = borrow(&held, x_bars, "x_bars", 1, real, run.rows * into, 1)) ||
            !(run.bars = borrow(&held, bars, "bars", 1, real, of.bars * run.shares, 0)) ||
            !(run.weight_bars = borrow(&held, weight_bars, "weight_bars", 1, real,
                                       weights_of(network, relu), 1)))
            goto end;
    }
    Py_BEGIN_ALLOW_THREADS
    const kernel forward = relu ? table->relu_evaluate : table->energy_evaluate;
    const kernel back = relu ? table->relu_differentiate : table->energy_differentiate;
    run_call(&run, (strides){into, out_of, of.kept, of.work, of.bars}, real, of.tile,
             backward ? back : forward,
             !backward ? 0 : relu ? table->relu_write : table->energy_write);
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

/* (shares, threads, is_double, widths, keep, packed, x, noise, drawn, scales, slopes, kept, work), and for the
   pullback, in which drawn is its cotangent, (shares, threads, is_double, widths, packed, noise, drawn, scales,
   slopes, kept, work, bars, weight_bars). */
static PyObject *run_draw(PyObject *args, int backward) {
    int is_double;
    PyObject *widths, *packed, *x = 0, *noise, *drawn, *scales, *slopes, *kept, *work, *bars = 0,
             *weight_bars = 0;
    call run = {.keep = 1, .networks = 2};
    windows room;
    if (!(backward
              ? PyArg_ParseTuple(args, "llpO!OOOOOOOOO", &run.shares, &run.workers, &is_double, &PyTuple_Type,
                                 &widths, &packed, &noise, &drawn, &scales, &slopes, &kept, &work,
                                 &bars, &weight_bars)
              : PyArg_ParseTuple(args, "llpO!pOOOOOOOO", &run.shares, &run.workers, &is_double, &PyTuple_Type,
                                 &widths, &run.keep, &packed, &x, &noise, &drawn, &scales, &slopes,
                                 &kept, &work)) ||
        wrong_shares(&run) || read_shape(widths, 1, run.shapes, &room))
        return 0;
    const kernels *table = table_of(is_double);
    const size_t real = table->real;
    const shape *network = run.shapes;
    const long d = network->width[network->layers];
    if (network->width[0] != d)
        return PyErr_Format(PyExc_ValueError, "widths: %ld coordinates, %ld outputs",
                            network->width[0], d);
    sizes of;
    table->relu_sizes(network, &of);
    buffers held = {.count = 0};
    PyObject *result = 0;
    if (!(run.packed = borrow(&held, packed, "packed", 0, real, 2 * of.packed, 1)) ||
        !(run.probes = borrow(&held, noise, "noise", 0, real, -1, 0)))
        goto end;
    if ((run.rows = run.probe_rows = rows_of(&held, "noise", real, d)) < 0) goto end;
    const long numbers = run.rows * d;
    if (!(run.fields = borrow(&held, drawn, "drawn", !backward, real, numbers + run.rows, 1)) ||
        !(run.scales = borrow(&held, scales, "scales", !backward, real, numbers, 1)) ||
        !(run.slopes = borrow(&held, slopes, "slopes", !backward, real, numbers, 1)) ||
        !(run.kept = borrow(&held, kept, "kept", 1, real,
                            of.kept * all_evaluations(&run, of.tile), 0)) ||
        !(run.work = borrow(&held, work, "work", 1, real, of.work * run.workers, 0)))
        goto end;
    if (!backward && !(run.states = borrow(&held, x, "x", 0, real, numbers, 1))) goto end;
    if (backward && (!(run.bars = borrow(&held, bars, "bars", 1, real, 2 * of.bars * run.shares, 0)) ||
                     !(run.weight_bars = borrow(&held, weight_bars, "weight_bars", 1, real,
                                                2 * weights_of(network, 1), 1))))
        goto end;
    Py_BEGIN_ALLOW_THREADS
    run_call(&run, (strides){d, d + 1, of.kept, of.work, 2 * of.bars}, real, of.tile,
             backward ? table->draw_differentiate : table->draw_evaluate,
             backward ? table->relu_write : 0);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    release(&held);
    return result;
}

static PyObject *draw_forward(PyObject *self, PyObject *args) { return run_draw(args, 0); }
static PyObject *draw_pull_back(PyObject *self, PyObject *args) { return run_draw(args, 1); }

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
    const long n = arrays[0] ? rows_of(&held, "theta", real, 1) : 0;
    const int fine = arrays[0] && (arrays[1] = borrow(&held, gradient, "gradient", 0, real, n, 1)) &&
                     (arrays[2] = borrow(&held, first, "first", 1, real, n, 1)) &&
                     (arrays[3] = borrow(&held, second, "second", 1, real, n, 1));
    if (fine) table->adam(n, arrays[0], arrays[1], arrays[2], arrays[3], constants);
    release(&held);
    if (!fine) return 0;
    Py_RETURN_NONE;
}

static PyObject *team_rests(PyObject *self, PyObject *args) {
    return PyBool_FromLong(atomic_load(&company.state) != TOGETHER);
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
    {"draw_forward", draw_forward, METH_VARARGS, 0},
    {"draw_pull_back", draw_pull_back, METH_VARARGS, 0},
    {"team_rests", team_rests, METH_NOARGS, 0},
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
                   PyModule_AddIntConstant(module, "MAX_FEATURED", MAX_FEATURED) ||
                   PyModule_AddIntConstant(module, "MAX_NETWORKS", MAX_NETWORKS) ||
                   PyModule_AddIntConstant(module, "MAX_THREADS", MAX_THREADS) ||
                   pthread_atfork(0, 0, team_forget)))
        Py_CLEAR(module);
    return module;
}
