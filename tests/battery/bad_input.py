"""Row 14: bad input meets a typed error that names the argument; good input is not changed.

The tables are in `bad_values`, `public_arguments`, `public_formulas` and `command_lines`.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import ehf_num as en
from ehf_sym.errors import EHFError
from tests.battery import bad_values, command_lines, public_arguments, public_formulas
from tests.battery.frame import Case, Row, require, require_close
from tests.battery.public_arguments import GOOD, Argument

_TABLES = (
    public_arguments.model_arguments,
    public_arguments.fit_arguments,
    public_arguments.energy_arguments,
    public_arguments.density_arguments,
    public_arguments.numeric_arguments,
    public_formulas.space_arguments,
    public_formulas.density_arguments,
    public_formulas.algebra_arguments,
    public_formulas.catalogue_arguments,
)
_LONGEST = 1000  # characters of a message


def _refused(argument: Argument, value: Any) -> None:
    before = copy.deepcopy(value) if isinstance(value, np.ndarray) else None
    try:
        argument.call(value)
    except EHFError as error:
        message = str(error)
        words = (argument.name, *argument.words)
        require(any(word in message for word in words), f"{argument.name} is not named: {message}")
        require(len(message) <= _LONGEST, f"a message of {len(message)} characters")
    except (OSError, TypeError) as error:
        # What the interpreter itself says of a path that is none.
        require(argument.name == "path", f"{type(error).__name__}: {error}")
    else:
        raise AssertionError("was taken")
    if before is not None and value.dtype.kind != "O":
        require(value.tobytes() == before.tobytes(), "the value was changed")


def _taken(argument: Argument, value: Any) -> None:
    argument.call(value)


def _memory() -> dict[str, Callable[[], Any]]:
    """The same points in every layout of memory."""
    wide = np.zeros((10, 6))
    wide[::2, ::3] = GOOD
    read_only = GOOD.copy()
    read_only.flags.writeable = False
    return {
        "Fortran order": lambda: np.asfortranarray(GOOD),
        "strided": lambda: wide[::2, ::3],
        "backwards": lambda: GOOD[::-1].copy()[::-1],
        "read-only": lambda: read_only,
        "memory-mapped": _mapped,
        "other byte order": lambda: GOOD.astype(">f8"),
        "a list": GOOD.tolist,
        "a subclass": lambda: GOOD.view(_Sub),
    }


class _Sub(np.ndarray):
    """A subclass, as other libraries have them."""


def _mapped() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, GOOD)
        return np.load(path, mmap_mode="r")


def _answers() -> dict[str, Callable[[Any], Any]]:
    flow = public_arguments.flow()
    return {
        "elbo": flow.elbo,
        "log_prob": flow.log_prob,
        "forward": lambda x: np.hstack(flow.forward(x, x)),
        "inverse": lambda x: np.hstack(flow.inverse(x, x)),
        "joint_log_prob": lambda x: flow.joint_log_prob(x, x),
        "brackets": lambda x: flow.brackets(x, x),
        "likelihood": lambda x: flow.likelihood(x, method="quadrature").values,
        "rings.log_prob": en.rings().log_prob,
        "fit": lambda x: public_arguments._fit(x=x, iterations=3).sample(3, rng=0),
        "orbit sampler": lambda x: en.orbit_sampler(public_formulas.ALGEBRA)(x, 0),
        "bridge": public_formulas.es.to_numpy(
            public_formulas.Q[0] * public_formulas.Q[1], public_formulas.Q
        ),
    }


def _same(call: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    x = make()
    before = np.array(x)
    require_close(call(x), call(GOOD.copy()), 1e-12, "another answer:")
    require(np.array_equal(np.array(x), before), "the points were changed")


def _one_point(call: Callable[[Any], Any]) -> None:
    require(np.all(np.isfinite(call(GOOD[:1]))), "one point has no finite answer")


def cases(quick: bool) -> Iterator[Case]:
    yield from _all_cases()
    yield from list(command_lines.cases())[:: 9 if quick else 1]


def _all_cases() -> Iterator[Case]:
    for table in _TABLES:
        for argument in table():
            dim = 4 if argument.kind == "points4" else 2
            kind = argument.kind.rstrip("4")
            for name, value in bad_values.values(kind, dim).items():
                check = _taken if name in argument.taken else _refused
                title = f"{argument.of}({argument.name}={name})"
                yield Case(title, partial(check, argument, value))
    for name, call in _answers().items():
        for layout, make in _memory().items():
            yield Case(f"{name} of {layout}", partial(_same, call, make))
        yield Case(f"{name} of one point", partial(_one_point, call))


ROWS = [Row(14, "bad input: every public argument and command", cases, 10)]
