"""Is this an encoder? What is asked of `init` and `draw`, looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ehf_num.densities.encoder import Encoder
from ehf_num.densities.encoder_probe import EncoderProbe
from ehf_num.engine import arguments
from ehf_num.engine.workspace import Array
from ehf_num.files.html import html_table
from ehf_sym import LieAlgebra
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.frames import rotation_matrices


@dataclass(frozen=True)
class EncoderCheck:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What.
    fault : str or None
        What is wrong and what should be; None: nothing is.
    """

    name: str
    fault: str | None


@dataclass(frozen=True)
class EncoderReport:
    """What `check_encoder` found; prints line by line.

    Attributes
    ----------
    checks : tuple of EncoderCheck
        In the order that they were made. They end early where the next would make no sense.
    """

    checks: tuple[EncoderCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return all(check.fault is None for check in self.checks)

    def __str__(self) -> str:
        return "\n".join(f"{check.name}: {check.fault or 'ok'}" for check in self.checks)

    def _repr_html_(self) -> str:
        title = f"Encoder: {'no fault found' if self.passed else 'there is a fault'}"
        return html_table(title, ((check.name, check.fault or "ok") for check in self.checks))


def check_encoder(
    encoder: Encoder,
    dim: int,
    *,
    symmetry: LieAlgebra | None = None,
    rng: int | np.random.Generator = 0,
) -> EncoderReport:
    """Look for what is wrong with an encoder of one's own.

    The density is held against the Jacobian of `draw` by finite differences, the gradient against
    finite differences, at random weights near those of `init`. It is evidence, no proof.

    Parameters
    ----------
    encoder : Encoder
        An object with `init` and `draw`.
    dim : int
        d, the number of positions and of momenta.
    symmetry : LieAlgebra, optional
        Of generators pᵀMq with antisymmetric M: whether the encoder moves with it.
    rng : int or numpy.random.Generator
        Draws weights, points and noise.

    Returns
    -------
    EncoderReport

    Raises
    ------
    ehf_sym.ArgumentError
        If dim, symmetry or rng cannot be used; faults of the encoder are in the report.

    Examples
    --------
    >>> from ehf_num.densities.encoder import GaussianEncoder
    >>> print(check_encoder(GaussianEncoder(dim=2, hidden=(8,)), 2))
    weights from init: ok
    shapes from draw: ok
    dtype float32 is kept: ok
    rows do not see each other: ok
    ln h is the density of the draws: ok
    draws reach every p once: ok
    slope of ln h in p: ok
    gradient by the weights: ok
    every weight has a gradient: ok
    """
    probe = EncoderProbe(encoder, arguments.positive_integer(dim, "dim"), arguments.generator(rng))
    looks: list[tuple[str, Callable[[], str | None], bool]] = [
        ("weights from init", probe.weights_fault, True),
        ("shapes from draw", probe.shapes_fault, True),
        ("dtype float32 is kept", probe.dtype_fault, False),
        ("rows do not see each other", probe.rows_fault, False),
        ("ln h is the density of the draws", probe.density_fault, True),
        *([("draws reach every p once", probe.mass_fault, False)] if dim <= 2 else []),
        ("slope of ln h in p", probe.score_fault, False),
        ("gradient by the weights", probe.gradient_fault, True),
        ("every weight has a gradient", probe.unreached_fault, False),
    ]
    if symmetry is not None:
        turned = partial(probe.symmetry_fault, _rotations(symmetry, dim))
        looks.append(("draws move with the symmetry", turned, False))
    made: list[EncoderCheck] = []
    for name, look, ends in looks:
        made.append(EncoderCheck(name, _caught(look)))
        if made[-1].fault is not None and ends:
            break
    return EncoderReport(tuple(made))


def admit_encoder(encoder: Any, dim: int, dtype: str) -> Encoder:
    """Hold a user's encoder to its form: weights, shapes, dtype; `check_encoder` looks further.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none; the message says why.
    """
    probe = EncoderProbe(encoder, dim, np.random.default_rng(0))
    looks = [probe.weights_fault, probe.shapes_fault]
    for look in [*looks, probe.dtype_fault] if dtype == "float32" else looks:
        fault = _caught(look)
        if fault is not None:
            raise ArgumentError(f"encoder was {encoder!r}: {fault}")
    admitted: Encoder = encoder
    return admitted


def describe_encoder(encoder: Encoder, weights: Sequence[Array]) -> dict[str, Any]:
    """Say what a file remembers of an encoder that is not saved itself."""
    return {"type": type(encoder).__name__, "shapes": [list(array.shape) for array in weights]}


def _rotations(symmetry: LieAlgebra, dim: int) -> list[Array]:
    """Return M of each generator pᵀMq."""
    if not isinstance(symmetry, LieAlgebra) or symmetry.space.dim != dim:
        raise ArgumentError(f"symmetry was {symmetry!r}; it should be a LieAlgebra for d = {dim}")
    matrices = rotation_matrices(symmetry)
    if matrices is None:
        raise ArgumentError(
            "symmetry has a generator that does not rotate q and p alike; each should be p·Mq with "
            "an antisymmetric M"
        )
    return [np.array(matrix, dtype=float) for matrix in matrices]


def _caught(look: Callable[[], str | None]) -> str | None:
    """Return a fault; what the encoder raises is one."""
    try:
        with np.errstate(all="ignore"):
            return look()
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"
