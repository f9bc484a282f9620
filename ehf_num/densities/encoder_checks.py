"""Is this an encoder? What is asked of `init` and `draw`, looked at one by one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ehf_num.densities.encoder import Encoder
from ehf_num.densities.encoder_probe import EncoderProbe
from ehf_num.engine import arguments
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.part_probe import Look, PartCheck, PartReport, admit, look_at
from ehf_sym import LieAlgebra
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.frames import rotation_matrices

EncoderCheck, EncoderReport = PartCheck, PartReport
"""The names that reports of encoders had before there were others."""


def check_encoder(
    encoder: Encoder,
    dim: int,
    *,
    symmetry: LieAlgebra | None = None,
    rng: int | np.random.Generator = 0,
) -> PartReport:
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
    PartReport

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
    looks: list[tuple[str, Look, bool]] = [
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
    return look_at("encoder", looks)


def admit_encoder(encoder: Any, dim: int, dtype: str) -> Encoder:
    """Hold a user's encoder to its form: weights, shapes, dtype; `check_encoder` looks further.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none; the message says why.
    """
    probe = EncoderProbe(encoder, dim, np.random.default_rng(0))
    admit("encoder", encoder, probe.form_faults(dtype))
    admitted: Encoder = encoder
    return admitted


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
