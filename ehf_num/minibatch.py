"""What one step of training draws: points, noise and base states."""

from __future__ import annotations

from dataclasses import dataclass

from ehf_num.workspace import Array


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Points with all that is random about one evaluation of a loss.

    Attributes
    ----------
    x : ndarray, shape (n · draws, d)
        Points; where a bound takes several draws for each, repeats of one stand together.
    noise : ndarray, shape (n · draws, d)
        Standard normal: the encoder turns it into momenta.
    base_states : ndarray, shape (m, 2d), or None
        Draws from π, where the constraint looks at them; None: there is no constraint.
    """

    x: Array
    noise: Array
    base_states: Array | None = None
