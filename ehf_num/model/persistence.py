"""Reading a saved model: formulas are parsed, never run, and the symmetry is proved again."""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np

from ehf_num.densities.base import Sampler
from ehf_num.densities.encoder import Encoder
from ehf_num.densities.orbit_mixture import read_mixture
from ehf_num.files.archive import ModelFileError, Source, model_bytes, read_model
from ehf_num.hamiltonian.protocols import Energy, Hamiltonian, Integrator
from ehf_num.model.estimator import SymmetricDensity
from ehf_num.model.model import EquivariantHamiltonianFlow
from ehf_num.model.parts import PARTS, Parts, compare_shapes, compare_values, restore_parts
from ehf_num.model.settings import FlowSettings
from ehf_num.training.constraint import Penalty
from ehf_sym import BaseDensity, InvarianceError, PhaseSpace, parse
from ehf_sym.densities.charts import parameter
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.symmetry.symmetry import symmetry_of_text

# What a header that says other things than ours would makes constructors raise.
_UNUSABLE = (
    EHFError, TypeError, KeyError, ValueError, AttributeError, OverflowError, MemoryError,
)  # fmt: skip


def load(
    path: str | PathLike[str],
    base_sampler: Sampler | None = None,
    encoder: Encoder | None = None,
    *,
    integrator: Integrator | None = None,
    kinetic: Energy | None = None,
    potential: Energy | None = None,
    hamiltonian: Hamiltonian | None = None,
    penalty: Penalty | None = None,
) -> EquivariantHamiltonianFlow | SymmetricDensity:
    """Read a saved model, prove its symmetry again, and go on where it was.

    Outputs are bit-equal to the saved model's, and so is further training.

    Parameters
    ----------
    path : path-like
        Written by `EquivariantHamiltonianFlow.save` or `SymmetricDensity.save`: what is returned
        is what was saved.
    base_sampler : callable, optional
        The sampler that the model was made with, if it was made with one: code is not saved.
    encoder, integrator, kinetic, potential, hamiltonian, penalty : optional
        The user's own parts that the model was made with, likewise; their weights are saved. What
        is made of plain options, such as `Leapfrog`, is restored without them.

    Raises
    ------
    ehf_sym.ArgumentError
        If the sampler or a part is missing, or is not the one that the model had: weights have
        other shapes, or other values are computed of them.
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
    given = Parts(encoder, integrator, kinetic, potential, hamiltonian, penalty, base_sampler)
    return _loaded(path, given)


def _loaded(path: Source, given: Parts) -> EquivariantHamiltonianFlow | SymmetricDensity:
    saved = read_model(path)
    header = saved.header
    if header.get("sampler") and given.base_sampler is None:
        raise ArgumentError(
            f"base_sampler was None; {path} was made with a sampler of its own, which is code and "
            "not saved: give it again"
        )
    try:
        _refuse_demands(header, saved.weights.size)
    except _UNUSABLE as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error
    told = _told_of_parts(path, header)
    parts = restore_parts(path, told, given)
    try:
        settings = header["settings"]
        form = _bare_space(header["formulas"]), settings["dtype"], settings["enforce"]
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error
    parts.admit(*form)
    try:
        model = _rebuild(header, parts)
    except InvarianceError:
        raise
    except _UNUSABLE as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error
    compare_shapes(path, told, parts, model.bound)
    parameters = model.flat_weights
    if (saved.weights.shape, saved.weights.dtype) != (parameters.shape, parameters.dtype):
        raise ModelFileError(
            f"{path} has {saved.weights.size} weights of {saved.weights.dtype}; its options call "
            f"for {parameters.size} of {parameters.dtype}"
        )
    parameters[:] = saved.weights
    compare_values(path, told, parts, model.bound)
    if saved.result is not None:
        model.result_ = saved.result
    if "estimator" not in header:
        return model
    try:
        return SymmetricDensity._restored(header["estimator"], model)
    except (*_UNUSABLE, np.linalg.LinAlgError) as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error


def _unpickled(saved: bytes, given: Parts) -> Any:
    """Make a model of the bytes of its file, and of the code that is not in it."""
    return _loaded(BytesIO(saved), given)


def _reduced(model: EquivariantHamiltonianFlow) -> tuple[Any, ...]:
    """Tell pickle and copy to go by the saved form."""
    return _unpickled, (model_bytes(model.saved()), model._parts)


# Here and not a method: what writes a model knows nothing of what reads it.
copyreg.pickle(EquivariantHamiltonianFlow, _reduced)


def _refuse_demands(header: Mapping[str, Any], weights: int) -> None:
    """Refuse a header that asks for a larger model than the weights beside it are for.

    Raises
    ------
    ValueError
        Before anything of that size is made.
    """
    formulas, options = header["formulas"], dict(header["settings"])
    space, text = _bare_space(formulas), formulas["log_density"]
    dim = space.dim
    if len(text) < 2 * len(space.linear):  # q1 and its like, each once: else π has no finite mass
        raise ValueError(f"{dim} positions do not fit into a density of {len(text)} characters")
    settings = FlowSettings(**_as_of_old(options))
    sizes = (1 if settings.enforce == "exact" else dim, *settings.hidden, 1)
    network = sum((below + 1) * above for below, above in pairwise(sizes)) - 1
    own = header.get("parts", {})
    networks = 0 if "hamiltonian" in own else 2 - ("kinetic" in own) - ("potential" in own)
    least = networks * settings.hamiltonians * network
    if settings.encoder == "gaussian":
        least += 2 * dim * settings.hidden[0]
    if least > weights:
        raise ValueError(f"its options call for {least} weights or more; it has {weights}")


def _as_of_old(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what files did not say when there was one way alone."""
    exact = options.get("enforce") == "exact"
    return ({"invariants": "independent"} if exact else {}) | dict(options)


def _told_of_parts(path: Source, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a header tells of each part; the first releases knew of encoders alone."""
    try:
        told = dict(header.get("parts", {}))
        if header.get("encoder") is not None:
            told["encoder"] = header["encoder"]
        for name, each in told.items():
            if name not in PARTS or not isinstance(each["type"], str):
                raise ValueError(f"there is no part {name!r}")
            each["shapes"] = [list(map(int, shape)) for shape in each["shapes"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path} is damaged: what it tells of its parts: {error}") from error
    return told


def _bare_space(formulas: Mapping[str, Any]) -> PhaseSpace:
    """Read the coordinates; files of old have no angles."""
    return PhaseSpace(formulas["dim"], angles=formulas.get("angles", ()))


def _rebuild(header: Mapping[str, Any], parts: Parts) -> EquivariantHamiltonianFlow:
    """Make the model that a header describes, with fresh weights."""
    formulas = header["formulas"]
    bare = _bare_space(formulas)
    named = formulas.get("parameters", {}).items()  # files of old have none
    space = replace(bare, parameters=[parameter(name, assumed) for name, assumed in named])
    normalizer = formulas["log_normalizer"]
    symmetry = symmetry_of_text(formulas, bare)
    base: BaseDensity
    if "mixture" in formulas:
        base = read_mixture(symmetry, formulas["mixture"])
    else:
        base = BaseDensity(
            space,
            log_density=parse(formulas["log_density"], space),
            log_normalizer=None if normalizer is None else parse(normalizer, space),
            name=formulas["name"],
        )
    options = _as_of_old(header["settings"]) | parts.given()
    model = EquivariantHamiltonianFlow(
        base, symmetry, **options, base_sampler=parts.base_sampler, rng=header["seed"]
    )
    if header["random_state"] is not None:
        model._rng.bit_generator.state = header["random_state"]
    return model
