"""A model in a few lines: what it rests on, what it is made of, what training did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ehf_num.engine.workspace import Array
from ehf_num.files.result import TrainingResult
from ehf_num.model.settings import FlowSettings
from ehf_sym import BaseDensity, GeneratorVerdict, InvarianceReport

_LONGEST = 120  # characters of a list of generators


def model_rows(
    settings: FlowSettings,
    base: BaseDensity,
    report: InvarianceReport | None,
    parts: Mapping[str, Any],
    weights: Sequence[Array],
    result: TrainingResult | None,
) -> Iterator[tuple[str, str]]:
    """Yield what there is to say, by name.

    Examples
    --------
    >>> import ehf_sym as es
    >>> base = es.StandardNormal(es.PhaseSpace(2))
    >>> rows = model_rows(FlowSettings("none"), base, None, {}, [], None)
    >>> dict(rows)["base π(q, p)"]
    'standard normal, d = 2'
    """
    yield "base π(q, p)", f"{base.name}, d = {base.space.dim}"
    if report is not None:
        pairs = zip(report.symmetry.labels, report.verdicts, strict=True)
        text = ", ".join(
            f"{label} = {v.generator}" if isinstance(v, GeneratorVerdict) else label
            for label, v in pairs
        )
        yield "symmetry", text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        yield report.claim, report.status
    if settings.enforce == "exact":
        claim = "{g, H} = 0" if report is None else report.claim.replace("π", "H")
        yield claim, "proved, for all weights"
    elif "penalty" in parts:
        names = ", ".join(parts["penalty"].names)
        yield "penalty", f"{names} held to κ = {settings.kappa:g}"
    elif settings.enforce == "penalty":
        yield "{g, H}", f"mean square held to κ = {settings.kappa:g}"
    yield "encoder h(p|q)", settings.encoder
    steps, widths = settings.steps, " × ".join(map(str, settings.hidden))
    moved = f"{steps} leapfrog step{'s' * (steps > 1)} of {settings.step_size:g} each"
    if "integrator" in parts:
        moved = repr(parts["integrator"])
    count = f"{settings.hamiltonians} Hamiltonian{'s' * (settings.hamiltonians > 1)}"
    yield "flow", f"{count}, {moved}; hidden layers {widths}"
    for name in ("kinetic", "potential", "hamiltonian"):
        if name in parts:
            yield name, repr(parts[name])
    if "hamiltonian" in parts and report is not None:
        for label, verdict in zip(report.symmetry.labels, report.verdicts, strict=True):
            yield f"marginal p(q) under {label}", verdict.marginal
    yield "weights", f"{sum(array.size for array in weights):,} of {settings.dtype}"
    yield "training", "none yet" if result is None else str(result)
