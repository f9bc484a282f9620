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
from ehf_num.densities.encoder_checks import admit_encoder, describe_encoder
from ehf_num.engine.arguments import positive_integer
from ehf_num.files.archive import ModelFileError, Source, model_bytes, read_model
from ehf_num.model.estimator import SymmetricDensity
from ehf_num.model.model import EquivariantHamiltonianFlow
from ehf_num.model.settings import FlowSettings
from ehf_sym import BaseDensity, InvarianceError, LieAlgebra, PhaseSpace, parse
from ehf_sym.densities.charts import parameter
from ehf_sym.errors import ArgumentError, EHFError

# What a header that says other things than ours would makes constructors raise.
_UNUSABLE = (
    EHFError, TypeError, KeyError, ValueError, AttributeError, OverflowError, MemoryError,
)  # fmt: skip


def load(
    path: str | PathLike[str],
    base_sampler: Sampler | None = None,
    encoder: Encoder | None = None,
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
    encoder : Encoder, optional
        The user's own encoder that the model was made with, likewise; its weights are saved.

    Raises
    ------
    ehf_sym.ArgumentError
        If the sampler or the encoder is missing, or is not the one that the model had: the weights
        have other shapes.
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
    return _loaded(path, base_sampler, encoder)


def _loaded(
    path: Source, base_sampler: Sampler | None, encoder: Encoder | None
) -> EquivariantHamiltonianFlow | SymmetricDensity:
    saved = read_model(path)
    header = saved.header
    if header.get("sampler") and base_sampler is None:
        raise ArgumentError(
            f"base_sampler was None; {path} was made with a sampler of its own, which is code and "
            "not saved: give it again"
        )
    try:
        _refuse_demands(header, saved.weights.size)
    except _UNUSABLE as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error
    own = header.get("encoder")
    if own is None and encoder is not None:
        raise ArgumentError(f"encoder was given, but {path} was made with one that is built in")
    if own is not None:
        _compare_encoders(path, header, encoder)
    try:
        model = _rebuild(header, base_sampler, encoder)
    except InvarianceError:
        raise
    except _UNUSABLE as error:
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
    if "estimator" not in header:
        return model
    try:
        return SymmetricDensity._restored(header["estimator"], model)
    except (*_UNUSABLE, np.linalg.LinAlgError) as error:
        raise ModelFileError(f"{path} cannot be rebuilt: {error}") from error


def _unpickled(saved: bytes, given: dict[str, Any]) -> Any:
    """Make a model of the bytes of its file, and of the code that is not in it."""
    encoder = given["encoder"]
    own = None if isinstance(encoder, str) else encoder
    return _loaded(BytesIO(saved), given["base_sampler"], own)


def _reduced(model: EquivariantHamiltonianFlow) -> tuple[Any, ...]:
    """Tell pickle and copy to go by the saved form."""
    return _unpickled, (model_bytes(model.saved()), model._given)


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
    dim, text = positive_integer(formulas["dim"], "dim"), formulas["log_density"]
    if len(text) < 4 * dim:  # q1 and its like, each once: else π has no finite mass
        raise ValueError(f"{dim} positions do not fit into a density of {len(text)} characters")
    settings = FlowSettings(**options)
    sizes = (1 if settings.enforce == "exact" else dim, *settings.hidden, 1)
    network = sum((below + 1) * above for below, above in pairwise(sizes)) - 1
    least = 2 * settings.hamiltonians * network
    if settings.encoder == "gaussian":
        least += 2 * dim * settings.hidden[0]
    if least > weights:
        raise ValueError(f"its options call for {least} weights or more; it has {weights}")


def _compare_encoders(path: Source, header: Mapping[str, Any], encoder: Encoder | None) -> None:
    """Refuse an encoder that is not the one that a file tells of."""
    try:
        name, shapes = header["encoder"]["type"], header["encoder"]["shapes"]
        dim, dtype = header["formulas"]["dim"], header["settings"]["dtype"]
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged: what it tells of its encoder: {error}") from error
    if encoder is None:
        raise ArgumentError(
            f"encoder was None; {path} was made with an encoder of its own ({name}), which is code "
            "and not saved: give it again"
        )
    admitted = admit_encoder(encoder, dim, dtype)
    given = describe_encoder(admitted, admitted.init(np.random.default_rng(0), dtype))["shapes"]
    if given != shapes:
        raise ArgumentError(
            f"encoder was {encoder!r} with weights of shapes {given}; the {name} in {path} has "
            f"{shapes}"
        )


def _rebuild(
    header: Mapping[str, Any], base_sampler: Sampler | None, encoder: Encoder | None
) -> EquivariantHamiltonianFlow:
    """Make the model that a header describes, with fresh weights."""
    formulas = header["formulas"]
    bare = PhaseSpace(formulas["dim"])
    named = formulas.get("parameters", {}).items()  # files of old have none
    space = replace(bare, parameters=[parameter(name, assumed) for name, assumed in named])
    normalizer = formulas["log_normalizer"]
    base = BaseDensity(
        space,
        log_density=parse(formulas["log_density"], space),
        log_normalizer=None if normalizer is None else parse(normalizer, space),
        name=formulas["name"],
    )
    generators = [parse(text, bare) for text in formulas["generators"]]
    symmetry = LieAlgebra(bare, generators) if generators else None
    options = header["settings"] if encoder is None else header["settings"] | {"encoder": encoder}
    model = EquivariantHamiltonianFlow(
        base, symmetry, **options, base_sampler=base_sampler, rng=header["seed"]
    )
    if header["random_state"] is not None:
        model._rng.bit_generator.state = header["random_state"]
    return model
