"""Formulas as NumPy functions, against SymPy's own evaluation and finite differences."""

import copy
import os
import pickle
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas import numpy_forms
from ehf_sym.formulas.numpy_forms import Sigmoid, SoftPlus, stabilize, to_numpy

X, Y, Z = VARIABLES = sp.symbols("x y z", real=True)
HALF = sp.Rational(1, 2)
FORMULAS = {
    "polynomial": X**3 * Y / 3 - sp.Rational(22, 7) * Z + 5,
    "constants": sp.log(2) * X + sp.pi * Y + sp.sqrt(3) + sp.E ** sp.Rational(1, 3),
    "gaussian": sp.exp(-(X**2 + Y**2) / 2) / (2 * sp.pi),
    "norm": sp.sqrt(X**2 + Y**2 + 1) ** 3 + (1 + Z**2) ** sp.Rational(-2, 3),
    "circular": sp.sin(X) * sp.cos(Y * Z) + sp.tan(X / 5) + sp.atan(Y) + sp.atan2(X, 1 + Y**2),
    "inverse": sp.asin(sp.tanh(X)) + sp.acos(sp.tanh(Y)) + sp.atanh(sp.tanh(Z) / 2),
    "hyperbolic": sp.tanh(X) + sp.cosh(Y) * sp.sinh(Z) + sp.asinh(X) + sp.acosh(2 + Y**2),
    "kinks": sp.Abs(X) + sp.Max(X, Y, HALF) - sp.Min(Y, Z) + sp.sign(Z),
    "error function": sp.erf(X * Y),
    "soft-plus": sp.log(1 + sp.exp(10 * X - 25)) / 3 - 2 * sp.log(1 + sp.exp(-Y)),
    "sigmoid": 1 / (1 + sp.exp(-X)) + 3 / (1 + sp.exp(Y / 2)) ** 2,
    "sigmoid's slope": sp.exp(X) / (1 + sp.exp(X)) ** 2 + sp.exp(2 * Y) / (1 + sp.exp(Y)) ** 2,
    "log-sum-exp": sp.log(2 * sp.exp(-((X - 1) ** 2)) + sp.exp(-((X + 1) ** 2)) / 3 + sp.exp(Y)),
    "log of a product": sp.log(sp.exp(-X) * (1 + sp.exp(Y)) ** -2 * (1 + sp.exp(Z))),
    "hyperbolic secant": 1 / sp.cosh(X) ** 2 + sp.log(sp.cosh(Y)),
    "mixed": sp.exp(3 * X) / (1 + sp.exp(2 * Y)),
    "constant": sp.Integer(7),
}
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_gradients_agree_with_sympy(name):
    formula = FORMULAS[name]
    function = to_numpy(formula, VARIABLES)
    points = RNG.uniform(-2, 2, size=(7, 3))
    for x, value, slope in zip(points, function(points), function.gradient(points), strict=True):
        at = {v: sp.Rational(float(c)) for v, c in zip(VARIABLES, x, strict=True)}
        assert value == pytest.approx(float(formula.subs(at).evalf(30)), rel=1e-12, abs=1e-13)
        exact = [float(formula.diff(v).subs(at).evalf(30)) for v in VARIABLES]
        np.testing.assert_allclose(slope, exact, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_agree_with_finite_differences(name):
    function = to_numpy(FORMULAS[name], VARIABLES)
    points = RNG.uniform(-2, 2, size=(5, 3))
    for _ in range(3):
        direction = RNG.normal(size=3)
        h = 1e-5
        rise = (function(points + h * direction) - function(points - h * direction)) / (2 * h)
        slope = function.gradient(points) @ direction
        np.testing.assert_allclose(slope, rise, rtol=1e-6, atol=1e-6)


# Functions that are smooth everywhere, of parts that may be equal.
SMOOTH = st.recursive(
    st.sampled_from([*VARIABLES, HALF, sp.sqrt(2)]),
    lambda part: st.one_of(
        st.builds(lambda u, v: u + v, part, part),
        st.builds(lambda u, v: u * v, part, part),
        st.builds(lambda u, v: u / (1 + v**2), part, part),
        st.builds(lambda u: sp.sin(u) + sp.exp(-(u**2)), part),
        st.builds(lambda u: sp.tanh(u) * sp.atan(u), part),
        st.builds(lambda u: sp.log(1 + sp.exp(u)) * sp.sqrt(1 + u**2), part),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=25)
@given(SMOOTH, arrays(np.float64, (1, 3), elements=st.integers(-8, 8).map(lambda k: k / 8)))
def test_formulas_of_any_shape_have_the_values_and_slopes_of_sympy(formula, points):
    at = dict(zip(VARIABLES, map(sp.Rational, points[0]), strict=True))
    exact = [float(f.subs(at).evalf(30)) for f in [formula, *map(formula.diff, VARIABLES)]]
    function = to_numpy(formula, VARIABLES)
    both = function.with_gradient(points)[0]
    np.testing.assert_allclose(both, exact, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(both[0], function(points)[0], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(both[1:], function.gradient(points)[0], rtol=1e-13, atol=1e-13)


def test_equal_parts_are_worked_on_once(monkeypatch):
    visits = Counter()
    for name in ("_stabilize", "_slopes", "_fold_constants"):
        visit = getattr(numpy_forms, name)

        def counted(part, recursion, name=name, visit=visit):
            visits[name, part] += 1
            return visit(part, recursion)

        monkeypatch.setattr(numpy_forms, name, counted)
    formula = X * Y / 3
    for _ in range(6):
        formula = sp.sin(formula) + sp.sqrt(1 + formula**2)
    function = to_numpy(formula, VARIABLES).with_gradient
    assert np.isfinite(function([[1.0, 2.0, 3.0]])).all()
    assert len(visits) > 100
    # Values and slopes become stable one after the other.
    assert {
        part for part, count in visits.items() if count > 1 + (part[0] == "_stabilize")
    } == set()


def test_constants_stay_within_exponentials():
    function = to_numpy(sp.exp(X + sp.Rational(2001, 2)), (X,))
    points = np.array([[-1000.0], [-1001.0]])
    np.testing.assert_allclose(function(points), np.exp([0.5, -0.5]), rtol=1e-15)
    np.testing.assert_allclose(function.gradient(points)[:, 0], np.exp([0.5, -0.5]), rtol=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_single_precision_stays_single(name):
    function = to_numpy(FORMULAS[name], VARIABLES)
    points = RNG.uniform(-2, 2, size=(4, 3))
    single = points.astype(np.float32)
    for f in (function, function.gradient):
        assert f(single).dtype == np.float32
        np.testing.assert_allclose(f(single), f(points), rtol=2e-3, atol=2e-4)
        # The code itself, before its values enter the result array.
        for value in f._compiled(*single.T):
            assert np.result_type(value, np.float32(1)) == np.float32


@pytest.mark.parametrize("batch", [(), (5,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("name", FORMULAS)
def test_shapes(name, batch):
    points = RNG.uniform(-1, 1, size=(*batch, 3))
    function = to_numpy(FORMULAS[name], VARIABLES)
    assert function(points).shape == batch
    assert function.gradient(points).shape == (*batch, 3)
    assert function.gradient.gradient.shape == (3, 3)


def test_shapes_of_arrays_of_formulas():
    points = RNG.normal(size=(4, 2, 3))
    cases = [
        ([X, 1, X * Y], (3,)),
        ((X,), (1,)),
        (sp.Matrix([X, Y]), (2,)),
        (sp.ImmutableMatrix([[X, Y]]), (1, 2)),
        ([[X, Y, 0], [1, sp.Rational(1, 3), Z]], (2, 3)),
        ([sp.Matrix([X, Y]), (Z, X)], (2, 2)),
        ([], (0,)),
    ]
    for formula, shape in cases:
        function = to_numpy(formula, VARIABLES)
        assert function.shape == shape
        assert function(points).shape == (4, 2, *shape)
        assert function.gradient(points).shape == (4, 2, *shape, 3)
    matrix = to_numpy([[X, Y], [2, X * Z]], VARIABLES)
    x, y, z = points[0, 0]
    np.testing.assert_array_equal(matrix(points)[0, 0], [[x, y], [2, x * z]])
    np.testing.assert_array_equal(matrix.gradient(points)[0, 0, 1, 1], [z, 0, x])


def test_results_do_not_alias_the_argument():
    points = np.ones((3, 1))
    result = to_numpy(X, (X,))(points)
    result[:] = 5
    assert (points == 1).all()


def test_integers_become_float64_and_strided_views_are_read():
    function = to_numpy(X / 2 + Y, (X, Y))
    assert function([[1, 2], [3, 4]]).tolist() == [2.5, 5.5]
    assert function(np.array([1, 2], dtype=np.int8)).dtype == np.float64
    wide = RNG.normal(size=(4, 6))
    np.testing.assert_array_equal(function(wide[::2, ::3]), wide[::2, 0] / 2 + wide[::2, 3])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((3, 2), dtype=complex), "x had dtype complex128"),
        (np.array([["a", "b"]]), "x had dtype <U1"),
        (np.array([[True, False]]), "x had dtype bool"),
        (np.ones((2, 3)), r"x has shape \(2, 3\); its last axis should have length 2"),
        (1.0, r"x has shape \(\)"),
    ],
)
def test_bad_points_are_refused(x, message):
    with pytest.raises(ArgumentError, match=message):
        to_numpy(X * Y, (X, Y))(x)


@pytest.mark.parametrize(
    ("formula", "variables", "error", "message"),
    [
        (X + Y, (X,), FormulaError, "contains y; the variables are x"),
        (sp.Function("f")(X), (X,), FormulaError, r"f\(x\), which has no NumPy"),
        (sp.Integral(sp.exp(X * Y), (Y, 0, 1)), (X,), FormulaError, "no NumPy counterpart"),
        (sp.gamma(X), (X,), FormulaError, "no NumPy counterpart"),
        (sp.I * X, (X,), FormulaError, "I, which has no NumPy counterpart"),
        ("x", (X,), ArgumentError, "formula is 'x' of type str"),
        ([[X], [X, X]], (X,), ArgumentError, "ragged"),
        ([X, True], (X,), ArgumentError, "formula is True"),
        (X, (X, X), ArgumentError, "variables"),
        (X, ("x",), ArgumentError, "variables"),
    ],
)
def test_bad_formulas_are_refused(formula, variables, error, message):
    with pytest.raises(error, match=message):
        to_numpy(formula, variables)


def test_a_constant_beyond_floating_point_is_refused():
    with pytest.raises(FormulaError, match="not a finite double"):
        to_numpy(X * sp.exp(1000), (X,))([1.0])


def test_symbol_names_never_reach_the_code():
    hostile = sp.Symbol("__import__('os').abort()", real=True)
    keyword = sp.Symbol("lambda", real=True)
    function = to_numpy(hostile**2 + keyword, (hostile, keyword))
    assert function([3.0, 4.0]) == 13
    shadow, softplus = sp.Symbol("exp", real=True), sp.Symbol("SoftPlus", real=True)
    formula = sp.log(1 + sp.exp(shadow)) * sp.exp(softplus)
    expected = np.log1p(np.exp(0.5)) * np.exp(2.0)
    assert to_numpy(formula, (shadow, softplus))([0.5, 2.0]) == pytest.approx(expected, rel=1e-14)


def test_big_integers_and_constants_are_exact_doubles():
    function = to_numpy([10**30 * X, sp.log(2) * X, sp.Rational(10**40, 3**80) * X], (X,))
    expected = [1e30, float(np.log(2.0)), 10**40 / 3**80]
    assert function([1.0]).tolist() == expected
    assert function(np.ones(1, np.float32)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", ["soft-plus", "sigmoid", "sigmoid's slope", "log of a product", "hyperbolic secant"]
)
def test_exponentials_do_not_overflow(name, dtype):
    function = to_numpy(FORMULAS[name], VARIABLES)
    reach = dtype(1e4) * np.array([[1, 1, 1], [-1, -1, -1], [1, -1, 0]], dtype=dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        for f in (function, function.gradient, function.gradient.gradient):
            assert np.isfinite(f(reach)).all()
    for x, value, slope in zip(reach, function(reach), function.gradient(reach), strict=True):
        at = {v: sp.Rational(float(c)) for v, c in zip(VARIABLES, x, strict=True)}
        formula = FORMULAS[name]
        assert value == pytest.approx(float(formula.subs(at).evalf(30)), rel=1e-6, abs=1e-30)
        exact = [float(formula.diff(v).subs(at).evalf(30)) for v in VARIABLES]
        np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-30)


@settings(deadline=None)
@given(arrays(np.float64, (5, 1), elements=st.floats(-1e4, 1e4)))
def test_softplus_and_sigmoid_hold_their_relative_accuracy(u):
    function = to_numpy([sp.log(1 + sp.exp(X)), 1 / (1 + sp.exp(-X))], (X,))
    softplus, sigmoid = function(u).T
    np.testing.assert_allclose(softplus, np.logaddexp(0, u[:, 0]), rtol=1e-14, atol=0)
    np.testing.assert_allclose(
        np.log(np.maximum(sigmoid, 1e-300)),
        np.maximum(-np.logaddexp(0, -u[:, 0]), np.log(1e-300)),
        rtol=1e-14,
        atol=1e-15,
    )


def test_stable_forms():
    assert stabilize(-3 * sp.log(1 + sp.exp(X)) / 7) == -3 * SoftPlus(X) / 7
    assert stabilize(1 / (1 + sp.exp(-X))) == Sigmoid(X)
    assert stabilize(sp.log(1 / (1 + sp.exp(-X)))) == -SoftPlus(-X)
    assert stabilize(sp.exp(X) / (1 + sp.exp(X))) == Sigmoid(X)
    assert stabilize(sp.log(X**2 + 1)) == sp.log(X**2 + 1)
    assert stabilize(sp.log(sp.exp(X) - 1)) == sp.log(sp.exp(X) - 1)
    assert SoftPlus(X).diff(X) == Sigmoid(X)
    assert Sigmoid(X).diff(X) == Sigmoid(X) * Sigmoid(-X)


def test_copies_compile_anew():
    function = to_numpy(FORMULAS["soft-plus"], VARIABLES)
    points = RNG.normal(size=(3, 3))
    for original in (function, function.gradient, function.with_gradient):
        for twin in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert twin == original
            np.testing.assert_array_equal(twin(points), original(points))
            np.testing.assert_array_equal(twin.gradient(points), original.gradient(points))


def test_values_are_bit_equal_in_every_process():
    code = (
        "import numpy as np, sympy as sp\n"
        "from ehf_sym.formulas.numpy_forms import to_numpy\n"
        "x, y, z = sp.symbols('x y z', real=True)\n"
        "f = to_numpy(sp.exp(x*y/3)*sp.sin(z + y) + sp.sqrt(x**2 + y**2 + z**2)*sp.log(2)\n"
        "             - sp.log(1 + sp.exp(x*y)) + x*y*z, (x, y, z))\n"
        "points = np.random.default_rng(1).normal(size=(50, 3))\n"
        "print(f(points).tobytes().hex() + f.gradient(points).tobytes().hex())\n"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_the_order_of_terms_does_not_depend_on_what_was_compiled_before():
    """SymPy numbers its dummies; 1000 before 999, as text, turned a sum round in one process."""
    a, b, c = sp.symbols("a b c", real=True)
    code = [to_numpy(a**2 + b**2 + c**2, (a, b, c))._compiled.__doc__ for _ in range(2)]
    assert code[0] == code[1]
