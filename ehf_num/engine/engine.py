"""Which of two engines does the work: the kernels in C where they apply, or the reference.

The reference is NumPy and autograd: it takes any energy, encoder, integrator and penalty, and all
else is held to it. Pieces of the loss that a kernel in C knows are one node on the same tape, with
the same values up to rounding: `in_c` asks whether a kernel applies and runs it. Where an outer
derivative is being taken, the pullback goes through the reference, so every order is right.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autograd import make_vjp
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from ehf_num.engine import native
from ehf_num.engine.native import NativeNetwork, takes
from ehf_num.engine.networks import energy_gradient_reference, relu_network_reference
from ehf_num.engine.parallel import threads
from ehf_num.engine.tape import constant
from ehf_num.engine.workspace import Array
from ehf_sym.errors import EngineWarning

Weights = tuple[Array, ...]


@dataclass(frozen=True)
class Engine:
    """What computes, and why it is that.

    Attributes
    ----------
    name : {"C", "reference"}
        The kernels in C, or NumPy and autograd.
    dtype : str
        Of all arrays.
    threads : int
        How many threads share a batch at the most.
    why : str
        The instructions that the kernels were compiled for, or why there are none.

    Examples
    --------
    >>> print(Engine("reference", "float64", 1, "kernels in C: they are turned off"))
    reference, float64, 1 thread (kernels in C: they are turned off)
    """

    name: str
    dtype: str
    threads: int
    why: str

    def __str__(self) -> str:
        word = "thread" if self.threads == 1 else "threads"
        return f"{self.name}, {self.dtype}, {self.threads} {word} ({self.why})"


def present_engine(dtype: str = "float64", reason: str | None = None) -> Engine:
    """Say what computes in this process; a reason of its own speaks against the kernels in C.

    Examples
    --------
    >>> present_engine("float32", "no kernel knows this energy").name
    'reference'
    """
    reason = native.why_not() or reason
    if reason is None:
        instructions = native.kernels.instructions  # type: ignore[union-attr]
        return Engine("C", dtype, threads(), f"kernels compiled for {instructions}")
    return Engine("reference", dtype, 1, f"kernels in C: {reason}")


class _Told:
    once = False


def tell_of_missing_kernels() -> None:
    """Warn once a process where the kernels in C could not be compiled or loaded.

    Not where they were turned off on purpose, by ``EHF_NATIVE=0``.
    """
    if native.kernels is not None or native.turned_off() or _Told.once:
        return
    _Told.once = True
    warnings.warn(
        "training takes the reference engine, which is slower (kernels in C: "
        f"{native.why_not()}); install a C compiler and then the package again (docs/engine.md), "
        "or set EHF_NATIVE=0",
        EngineWarning,
        stacklevel=4,
    )


def goes_with(part: Any, name: str, *others: str) -> bool:
    """Whether a method goes with the others at work: a subclass that overrides those has none.

    Examples
    --------
    >>> class Plain:
    ...     def draw(self): ...
    ...     def score(self): ...
    >>> class Other(Plain):
    ...     def draw(self): ...
    >>> goes_with(Plain(), "score", "draw"), goes_with(Other(), "score", "draw")
    (True, False)
    """
    for each in type(part).__mro__:
        if name in vars(each) or any(other in vars(each) for other in others):
            return name in vars(each)
    return False


class Kernel(Protocol):
    """A kernel in C with its weights, for one pass of rows there and back."""

    @property
    def row_bars(self) -> bool:
        """Whether the pullback knows the cotangents of rows, not of weights alone."""

    @property
    def forward(self) -> Callable[..., Array]:
        """Evaluate rows; keep=True: for a backward pass."""

    @property
    def pull_back(self) -> Callable[[Array], tuple[Sequence[Array] | None, list[Array]]]:
        """Turn the value's cotangent into those of the rows and of the weights.

        It may be called more than once and must not write to what `forward` kept.
        """


@dataclass(frozen=True, eq=False)
class InC:
    """A function of rows and weights, by a kernel in C where one applies, else by the reference.

    Attributes
    ----------
    kernel : callable
        Takes weights, returns their `Kernel`, or None where the reference serves.
    reference : callable
        The function, f(*rows, *weights), in autograd's operations.
    row_arguments : int
        How many of the arguments come before the weights.
    """

    kernel: Callable[[Weights], Kernel | None]
    reference: Callable[..., Any]
    row_arguments: int = 1

    def __call__(self, *args: Any) -> Any:
        """Evaluate f(*rows, *weights)."""
        rows = self.row_arguments
        kernel = self.kernel(tuple([constant(array) for array in args[rows:]]))
        if kernel is None:
            return self.reference(*args)
        if any(isbox(array) for array in args):
            return _node(*args, of=self, kernel=kernel)
        return kernel.forward(*args[:rows], keep=False)


# One primitive for all: autograd keeps what it knows of a primitive for good.
@primitive  # type: ignore[untyped-decorator]
def _node(*args: Array, of: InC, kernel: Kernel) -> Array:
    return kernel.forward(*args[: of.row_arguments], keep=True)


def _vjp_maker(
    argnums: tuple[int, ...], _answer: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> Callable[[Any], tuple[Any, ...]]:
    of, kernel = keywords["of"], keywords["kernel"]

    def vjp(cotangent: Any) -> tuple[Any, ...]:
        plain = kernel.row_bars or argnums[0] >= of.row_arguments
        if not plain or isbox(cotangent) or any(isbox(array) for array in args):
            return _by_reference(of.reference, argnums, args, cotangent)
        row_bars, weight_bars = kernel.pull_back(cotangent)
        bars = [*(row_bars or [None] * of.row_arguments), *weight_bars]
        return tuple([bars[argnum] for argnum in argnums])

    return vjp


defvjp_argnums(_node, _vjp_maker)


def _by_reference(
    reference: Callable[..., Any], argnums: tuple[int, ...], args: tuple[Any, ...], cotangent: Any
) -> tuple[Any, ...]:
    def of_active(active: tuple[Any, ...]) -> Any:
        full = list(args)
        for argnum, value in zip(argnums, active, strict=True):
            full[argnum] = value
        return reference(*full)

    vjp, _ = make_vjp(of_active)(tuple(args[argnum] for argnum in argnums))
    return tuple(vjp(cotangent))


def _energy_kernel(weights: Weights) -> NativeNetwork | None:
    return NativeNetwork("energy", weights) if takes(weights) else None


def _relu_kernel(weights: Weights) -> NativeNetwork | None:
    return NativeNetwork("relu", weights) if takes(weights) else None


_energy_gradient = InC(_energy_kernel, energy_gradient_reference)
_relu_network = InC(_relu_kernel, relu_network_reference)


def energy_gradient(x: Any, *weights: Any) -> Any:
    """Evaluate ∂energy/∂x of a soft-plus network: x (n, d) to (n, d).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.networks import init_energy
    >>> weights = init_energy([2, 8, 8, 1], np.random.default_rng(0), "float64")
    >>> energy_gradient(np.zeros((5, 2)), *weights).shape
    (5, 2)
    """
    return _energy_gradient(x, *weights)


def relu_network(x: Any, *weights: Any) -> Any:
    """Evaluate a relu network, linear in its last layer: x (n, d) to (n, m).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.networks import init_relu
    >>> weights = init_relu([2, 8, 8, 3], np.random.default_rng(0), "float64")
    >>> relu_network(np.zeros((5, 2)), *weights).shape
    (5, 3)
    """
    return _relu_network(x, *weights)
