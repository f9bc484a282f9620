"""Reading a saved model: formulas are parsed, never run, and the symmetry is proved again."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from ehf_num.archive import ModelFileError, read_model
from ehf_num.base import Sampler
from ehf_num.model import EquivariantHamiltonianFlow
from ehf_sym import BaseDensity, InvarianceError, LieAlgebra, PhaseSpace, parse
from ehf_sym.errors import ArgumentError, EHFError


def load(
    path: str | PathLike[str], base_sampler: Sampler | None = None
) -> EquivariantHamiltonianFlow:
    """Read a saved model, prove its symmetry again, and go on where it was.

    Outputs are bit-equal to the saved model's, and so is further training.

    Parameters
    ----------
    path : path-like
        Written by `EquivariantHamiltonianFlow.save`.
    base_sampler : callable, optional
        The sampler that the model was made with, if it was made with one: code is not saved.

    Raises
    ------
    OSError
        If there is no such file.
    ModelFileError
        If it is not a saved model or is damaged.
    ehf_sym.InvarianceError
        If the symmetry in the file is not proved.

    Examples
    --------
    >>> import pathlib, tempfile, ehf_sym as es, ehf_num as en
    >>> base = es.StandardNormal(es.PhaseSpace(1))
    >>> flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> flow.save(path)
    >>> bool((en.load(path).sample(3, rng=1) == flow.sample(3, rng=1)).all())
    True
    """
    saved = read_model(path)
    header = saved.header
    if header.get("sampler") and base_sampler is None:
        raise ArgumentError(
            f"base_sampler was None; {path} was made with a sampler of its own, which is code and "
            "not saved: give it again"
        )
    try:
        model = _rebuild(header, base_sampler)
    except InvarianceError:
        raise
    except (EHFError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error
    parameters = model._parameters.flat
    if (saved.weights.shape, saved.weights.dtype) != (parameters.shape, parameters.dtype):
        raise ModelFileError(
            f"{path} has {saved.weights.size} weights of {saved.weights.dtype}; its options call "
            f"for {parameters.size} of {parameters.dtype}"
        )
    parameters[:] = saved.weights
    if saved.result is not None:
        model.result_ = saved.result
    return model


def _rebuild(header: Mapping[str, Any], base_sampler: Sampler | None) -> EquivariantHamiltonianFlow:
    """Make the model that a header describes, with fresh weights."""
    formulas = header["formulas"]
    space = PhaseSpace(formulas["dim"])
    normalizer = formulas["log_normalizer"]
    base = BaseDensity(
        space,
        log_density=parse(formulas["log_density"], space),
        log_normalizer=None if normalizer is None else parse(normalizer, space),
        name=formulas["name"],
    )
    generators = [parse(text, space) for text in formulas["generators"]]
    symmetry = LieAlgebra(space, generators) if generators else None
    model = EquivariantHamiltonianFlow(
        base, symmetry, **header["settings"], base_sampler=base_sampler, rng=header["seed"]
    )
    if header["random_state"] is not None:
        model._rng.bit_generator.state = header["random_state"]
    return model
