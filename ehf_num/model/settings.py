"""The options of a model that are numbers and words, checked once and repeated in its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ehf_num.densities.coupling import CouplingEncoder
from ehf_num.densities.encoder import Encoder, GaussianEncoder
from ehf_num.densities.momentum_frames import CoordinateFrame, MomentumFrame
from ehf_num.densities.monotone import MonotoneEncoder
from ehf_num.engine import arguments
from ehf_sym.errors import ArgumentError

_OPTIONS = {
    "penalty": ("constraint_on", "split_bracket", "normalized_bracket"),
    "exact": ("invariants",),
}
OWN = "own"
"""What stands for a user's own encoder among the options."""


@dataclass(frozen=True)
class FlowSettings:
    """Options of `EquivariantHamiltonianFlow`, described there.

    Raises
    ------
    ehf_sym.ArgumentError
        If an option is out of range; the message names it.

    Examples
    --------
    >>> FlowSettings(hidden=[8, 8]).hidden
    (8, 8)
    """

    enforce: str = "penalty"
    invariants: str = "generating"
    kappa: float = 1e-3
    encoder: str = "gaussian"
    hamiltonians: int = 1
    steps: int = 2
    step_size: float = 0.5
    hidden: tuple[int, ...] = (128, 128)
    start: str = "random"
    dtype: str = "float64"
    reversible: bool | str = "auto"
    constraint_on: str = "base"
    split_bracket: bool = False
    normalized_bracket: bool = False

    def __post_init__(self) -> None:
        arguments.one_of(self.enforce, "enforce", ("penalty", "exact", "none"))
        arguments.one_of(self.invariants, "invariants", ("generating", "independent"))
        arguments.one_of(self.encoder, "encoder", ("gaussian", "coupling", OWN))
        arguments.one_of(self.start, "start", ("random", "identity"))
        arguments.one_of(self.dtype, "dtype", ("float64", "float32"))
        arguments.one_of(self.reversible, "reversible", ("auto", True, False))
        arguments.one_of(self.constraint_on, "constraint_on", ("base", "data", "both"))
        arguments.one_of(self.split_bracket, "split_bracket", (True, False))
        arguments.one_of(self.normalized_bracket, "normalized_bracket", (True, False))
        for of in ("penalty", "exact"):
            if self.enforce != of:
                self._refuse_unused(of)
        object.__setattr__(self, "hidden", arguments.layer_widths(self.hidden, "hidden"))
        # Plain numbers from here on: NumPy's do not go into a saved model's JSON.
        for name in ("hamiltonians", "steps"):
            object.__setattr__(self, name, arguments.positive_integer(getattr(self, name), name))
        for name in ("kappa", "step_size"):
            object.__setattr__(self, name, arguments.positive_number(getattr(self, name), name))

    def _refuse_unused(self, of: str) -> None:
        """Options of one way to enforce a symmetry do nothing elsewhere."""
        for name in _OPTIONS[of]:
            value, default = getattr(self, name), getattr(FlowSettings, name)
            if value != default:
                raise ArgumentError(
                    f"{name} was {value!r} with enforce={self.enforce!r}; it is an option of "
                    f'enforce="{of}": leave it at {default!r}'
                )

    def build_encoder(
        self, dim: int, frame: MomentumFrame | None = None, angles: tuple[int, ...] = ()
    ) -> Encoder:
        """Return the encoder for d = dim; a frame makes couplings equivariant."""
        if self.encoder == OWN:
            raise ArgumentError('encoder was "own"; it should be the encoder itself')
        if self.encoder == "gaussian":
            return GaussianEncoder(dim, self.hidden, angles)
        if frame is None and dim == 1:
            return MonotoneEncoder(self.hidden, angles=angles)
        return CouplingEncoder(dim, self.hidden, frame or CoordinateFrame(dim, angles))

    def refuse_overruled(self, given: Iterable[str]) -> None:
        """Refuse options that do nothing beside a part that was given by value.

        Raises
        ------
        ehf_sym.ArgumentError
            If there is one that is not at its default.
        """
        overruled = {
            "hamiltonian": ("start",),
            "integrator": ("steps", "step_size", "reversible"),
            "penalty": ("split_bracket", "normalized_bracket"),
        }
        for part in given:
            for name in overruled.get(part, ()):
                value = getattr(self, name)
                if value != getattr(FlowSettings, name):
                    raise ArgumentError(
                        f"{name} was {value!r} together with {part}=, which says it already: "
                        "leave it out"
                    )
