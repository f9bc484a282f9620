"""What a run depends on, described in plain data that two runs are compared by.

Values stand for themselves, arrays for their shape and a digest of their bytes, formulas for their
text, objects for their type and their state, functions for their name, a digest of what they do,
and the values that they take from around them. Nothing is told apart by where it lies in memory.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral
from os import PathLike, fspath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.engine.workspace import Array

Description = Any
"""None, bool, int, float, str, or lists and dicts (by str) of descriptions: what JSON holds."""

_OWN = ("ehf_num", "ehf_sym")
_LONGEST = 64  # entries of a sequence, or characters of a text, that are told one by one
_SHOWN = 120  # characters of a value in a message


def describe(value: Any) -> Description:
    """Describe a value so that equal descriptions mean equal results.

    Examples
    --------
    >>> describe({"steps": 2, "hidden": (8, 8)})
    {'hidden': [8, 8], 'steps': 2}
    >>> describe(lambda k: 0.5**k) == describe(lambda k: 0.5**k)
    True
    >>> describe(lambda k: 0.5**k) == describe(lambda k: 0.7**k)
    False
    """
    return _Describer().describe(value)


def differences(
    was: Mapping[str, Description], now: Mapping[str, Description], passed_over: Iterable[str] = ()
) -> list[str]:
    """Say field by field in what two descriptions differ, but for some fields.

    Examples
    --------
    >>> differences({"step_size": 0.1, "steps": 2}, {"step_size": 0.5, "steps": 2})
    ['step_size was 0.1, is 0.5']
    """
    found = _differing("", was, now)
    return [
        f"{path} was {_shown(before)}, is {_shown(after)}"
        for path, before, after in found
        if path not in set(passed_over)
    ]


_ABSENT = object()
_HEAD = ("type", "function", "code")  # what a dict describes, where it does not stand for a dict


def _differing(path: str, was: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """Return the ends of nested dicts that differ: the path there, and the values."""
    nested = isinstance(was, dict) and isinstance(now, dict)
    if nested and all(was.get(key) == now.get(key) for key in _HEAD):
        keys = [*was, *(key for key in now if key not in was)]
        above = path and f"{path}."
        return [
            each
            for key in keys
            for each in _differing(above + key, was.get(key, _ABSENT), now.get(key, _ABSENT))
        ]
    same = was == now and isinstance(was, bool) == isinstance(now, bool)
    return [] if same else [(path, was, now)]


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, dict) and ("function" in value or "type" in value):
        name = value.get("function", value.get("type"))
        return f"{name} (code {value['code'][:8]})" if value.get("code") else f"{name}"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@dataclass(frozen=True, eq=False)
class RunIdentity:
    """What a run starts from.

    Attributes
    ----------
    told : dict
        The description of each argument, by its name.
    live : mapping
        Arguments that are code: running it may change their state.
    """

    told: dict[str, Description]
    live: Mapping[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any], start: Mapping[str, Any]) -> RunIdentity:
        """Describe arguments by their names, and what else a run starts from."""
        told = _as_read({name: describe(value) for name, value in arguments.items()})
        live = {name: value for name, value in arguments.items() if isinstance(told[name], dict)}
        return cls(told | {"start": _as_read(describe(start))}, live)

    def moved(self) -> list[str]:
        """Name the fields that the run itself has changed since: counters, lists of what was seen.

        They are no part of what it starts from.
        """
        now = _as_read({name: describe(value) for name, value in self.live.items()})
        before = {name: self.told[name] for name in self.live}
        return [path for path, _, _ in _differing("", before, now)]


def _as_read(description: Description) -> Description:
    """Return a description as a file gives it back."""
    return json.loads(json.dumps(description))


def options_of(options: Any) -> dict[str, Any]:
    """Return the options of a frozen dataclass that results depend on, by name.

    A field of which ``metadata`` has ``"watches"`` only looks on; one with ``"group"`` holds
    options that go by their own names.
    """
    found: dict[str, Any] = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if "group" in each.metadata:
            found |= options_of(value)
        elif "watches" not in each.metadata:
            found[each.name] = value
    return found


def digest(content: bytes | memoryview) -> str:
    """Return the start of a cryptographic digest: enough that two never meet by chance."""
    return hashlib.sha256(content).hexdigest()[:32]


class _Describer:
    """One walk through a value; what it meets again is told by where it was met first."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[int, Any]] = {}  # the object too: its id stays its own

    def describe(self, value: Any) -> Description:
        if value is None or isinstance(value, bool | np.bool_):
            return None if value is None else bool(value)
        if isinstance(value, Integral) and not isinstance(value, sp.Basic):
            return int(value)
        if isinstance(value, float | np.floating):
            return float(value) if math.isfinite(value) else repr(float(value))
        if isinstance(value, str | bytes):
            return _text(value)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return _array(value)
        if isinstance(value, np.dtype | np.ufunc | type | ModuleType):
            return self._named(value)
        if isinstance(value, sp.Basic | sp.MatrixBase):
            return _text(_formula(value))
        if isinstance(value, PathLike):
            return fspath(value)
        if id(value) in self._met:
            return {"again": self._met[id(value)][0]}
        self._met[id(value)] = len(self._met), value
        if isinstance(value, Mapping):
            return {_key(key): self.describe(value[key]) for key in sorted(value, key=_key)}
        if isinstance(value, Sequence | np.ndarray):
            return self._sequence(list(value))
        if isinstance(value, set | frozenset):
            return self._sequence(sorted(value, key=repr))
        if hasattr(type(value), "__array__"):  # tables and tensors
            return self.describe(np.asarray(value))
        return self._callable(value) if callable(value) else self._object(value)

    def _sequence(self, values: list[Any]) -> Description:
        told = [self.describe(entry) for entry in values]
        if len(told) <= _LONGEST:
            return told
        return {"entries": len(told), "digest": digest(json.dumps(told).encode())}

    def _named(self, value: Any) -> Description:
        if isinstance(value, type) and not _of_a_library(value.__module__):
            return {"type": _name(value), "code": self._methods(value)}
        return _name(value) if not isinstance(value, np.dtype | np.ufunc) else str(value)

    def _callable(self, value: Any) -> Description:
        if isinstance(value, functools.partial):
            told = {"partial": value.func, "args": value.args, "keywords": value.keywords}
            return {name: self.describe(part) for name, part in told.items()}
        if isinstance(value, MethodType):
            return {"method": self.describe(value.__func__), "of": self.describe(value.__self__)}
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, BuiltinFunctionType):
            if value.__self__ is None or isinstance(value.__self__, ModuleType):
                return _name(value)
            return {"method": value.__qualname__, "of": self.describe(value.__self__)}
        wrapped = inspect.unwrap(value)
        return self.describe(wrapped) if wrapped is not value else self._object(value)

    def _function(self, function: FunctionType) -> Description:
        """Tell what a function does: its code, its defaults, and what it takes from around it."""
        nameless = "<lambda>" in function.__qualname__
        known = _of_a_library(function.__module__) and not nameless
        code = function.__code__
        around = {} if known else function.__globals__
        used = {name: around[name] for name in _names(code) if name in around}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # an empty cell
                used[name] = cell.cell_contents
        if known and not used:
            return _name(function)
        return {
            "function": _name(function),
            "code": None if known else digest(_code(code)),
            "defaults": self.describe([function.__defaults__, function.__kwdefaults__]),
            "values": {name: self.describe(used[name]) for name in sorted(used)},
        }

    def _object(self, value: Any) -> Description:
        """Tell an object by its type and its state."""
        kind = type(value)
        told: dict[str, Description] = {"type": _name(kind)}
        if not _of_a_library(kind.__module__):
            told["code"] = self._methods(kind)
        if isinstance(value, np.random.Generator | np.random.RandomState):
            return told | {"state": self.describe(_random_state(value))}
        if isinstance(value, np.random.BitGenerator):
            return told | {"state": self.describe(value.state)}
        if hasattr(value, "_run_identity"):
            return told | self.describe(value._run_identity())
        if is_dataclass(value):
            names: Iterable[str] = (f.name for f in fields(value) if f.compare)
        else:
            slots = (getattr(each, "__slots__", ()) for each in kind.__mro__)
            slotted = (n for s in slots for n in ((s,) if isinstance(s, str) else s))
            names = sorted(
                {*getattr(value, "__dict__", {}), *slotted} - {"__dict__", "__weakref__"}
            )
        state = {n: self.describe(getattr(value, n)) for n in names if hasattr(value, n)}
        if not state and (text := repr(value)) and f"{id(value):x}" not in text:
            return told | {"text": _text(text)}
        return told | state

    def _methods(self, kind: type) -> str:
        """Digest the code of a class, and of those of the user's that it comes from."""
        own = [each for each in kind.__mro__ if not _of_a_library(each.__module__)]
        content = b""
        for each in own:
            for name, member in sorted(vars(each).items()):
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if isinstance(function, FunctionType):
                    content += name.encode() + _code(function.__code__)
                elif not name.startswith("__") and not callable(member):
                    content += f"{name}={json.dumps(self.describe(member))}".encode()
        return digest(content)


def _text(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes, digest {digest(value)}"
    if len(value) <= 8 * _LONGEST:
        return value
    return f"{value[:_LONGEST]}… ({len(value)} characters, digest {digest(value.encode())})"


def _formula(value: Any) -> str:
    """Write a formula; what its text leaves out, digits of floats and assumptions, is digested."""
    plain = sp.Symbol("x", real=True).assumptions0
    assumed = {s.name: s.assumptions0 for s in value.atoms(sp.Symbol) if s.assumptions0 != plain}
    told = sorted(f"{name} {sorted(given.items())}" for name, given in assumed.items())
    told += sorted(map(sp.srepr, value.atoms(sp.Float)))
    return f"{value} [{digest(repr(told).encode())[:8]}]" if told else str(value)


def _array(value: Array) -> str:
    kind = f"{value.dtype} of shape {value.shape}"
    content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    return f"array, {kind}, digest {digest(content.data)[:16]}"


def _key(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _name(value: Any) -> str:
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    name = getattr(value, "__qualname__", getattr(value, "__name__", repr(value)))
    module = str(getattr(value, "__module__", None))
    root = module.partition(".")[0]
    return f"{root if root in _OWN else module}.{name}"  # our own files may move


def _random_state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def _of_a_library(module: str | None) -> bool:
    """Whether code is told by its name alone: versions tell the rest."""
    root = (module or "").partition(".")[0]
    if root in _OWN or root in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _code(code: CodeType) -> bytes:
    """Return what a function does, without the file and the lines where it stands."""
    constants = [
        _code(each) if isinstance(each, CodeType) else _constant(each) for each in code.co_consts
    ]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags
    return code.co_code + repr((constants, names)).encode()


def _names(code: CodeType) -> set[str]:
    """Return the names that a function and the functions in it look up."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _constant(value: Any) -> str:
    """Write a constant; sets in code come in another order in another process."""
    if isinstance(value, frozenset):
        return f"frozenset{sorted(map(_constant, value))}"
    return f"{type(value).__name__} {value!r}"
