# What kernels/module.c offers; arrays are C-contiguous and come through the buffer protocol.
from typing import Any

instructions: str
MAX_LAYERS: int
MAX_NETWORKS: int

_Widths = tuple[int, ...]
_Sizes = tuple[int, int, int, int, int]

def energy_sizes(is_double: bool, widths: _Widths, /) -> _Sizes: ...
def relu_sizes(is_double: bool, widths: _Widths, /) -> _Sizes: ...
def energy_fill(
    is_double: bool, widths: _Widths, weights: tuple[Any, ...], packed: Any, /
) -> None: ...
def relu_fill(
    is_double: bool, widths: _Widths, weights: tuple[Any, ...], packed: Any, /
) -> None: ...
def energy_forward(
    is_double: bool, widths: _Widths, keep: bool, packed: Any, x: Any, out: Any, kept: Any,
    work: Any, /,
) -> None: ...  # fmt: skip
def relu_forward(
    is_double: bool, widths: _Widths, keep: bool, packed: Any, x: Any, out: Any, kept: Any,
    work: Any, /,
) -> None: ...  # fmt: skip
def energy_pull_back(
    is_double: bool, widths: _Widths, packed: Any, out_bars: Any, kept: Any, work: Any,
    x_bars: Any, bars: Any, weight_bars: Any, /,
) -> None: ...  # fmt: skip
def relu_pull_back(
    is_double: bool, widths: _Widths, packed: Any, out_bars: Any, kept: Any, work: Any,
    x_bars: Any, bars: Any, weight_bars: Any, /,
) -> None: ...  # fmt: skip
def chain_forward(
    is_double: bool, widths: _Widths, networks: int, steps: int, dt: float, keep: bool,
    packed: Any, states: Any, probes: Any, fields: Any, kept: Any, work: Any, /,
) -> None: ...  # fmt: skip
def chain_pull_back(
    is_double: bool, widths: _Widths, networks: int, steps: int, dt: float, keep: bool,
    packed: Any, states: Any, probes: Any, field_bars: Any, kept: Any, work: Any,
    state_bars: Any, probe_bars: Any, bars: Any, weight_bars: Any, /,
) -> None: ...  # fmt: skip
def adam_step(
    is_double: bool, theta: Any, gradient: Any, first: Any, second: Any,
    beta1: float, beta2: float, epsilon: float, rate: float, /,
) -> None: ...  # fmt: skip
