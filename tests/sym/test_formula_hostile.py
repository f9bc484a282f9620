"""Hostile formula text is refused after bounded work, in bounded memory."""

import json
import subprocess
import sys
import textwrap

import pytest
import sympy as sp

from ehf_sym import FormulaError, PhaseSpace, parse
from ehf_sym.formulas import reader
from ehf_sym.formulas.formula import format_formula

SPACE = PhaseSpace(2)

# Each of these is refused; without a bound most of them would take minutes, or the memory.
HOSTILE = {
    "tower of nines": "9**9**9**9",
    "tower in parentheses": "9**(9**(9**9))",
    "huge exponent of ten": "1e999999999",
    "tiny exponent of ten": "1e-999999999",
    "digits": "7" * 99_999,
    "parentheses": "(" * 100_000,
    "balanced parentheses": "(" * 49_999 + "q1" + ")" * 49_999,
    "a megabyte": "q1+" * 350_000 + "q1",
    "one long name": "a" * 99_999,
    "attribute": "q1.__class__.__mro__",
    "dunder": "__builtins__",
    "lambda": "(lambda: 0)()",
    "subscript": "q1[0]",
    "call of an unknown name": "open('x')",
    "null byte": "q1\0",
    "full-width digit": "q\uff11",
    "Greek letter": "π*q1",
    "combining accent": "q1\u0301",
    "right-to-left mark": "\u202eq1",
    "no-break minus": "q1 \u2212 2",
    "constants within exponentials": "exp(-" * 60 + "1" + ")" * 60,
    "roots of constants": "sqrt(2+" * 60 + "1" + ")" * 60,
    "powers of E": "E**" * 90 + "2",
    "Abs within Abs": "Abs(1-" * 95 + "q1" + ")" * 95,
    "sign within sign": "sign(q1-" * 95 + "q2" + ")" * 95,
    "Max and Min in turn": "".join(f"Max(q1+{i},Min(q2+{i}," for i in range(48)) + "p1" + "))" * 48,
    "Max within Max": "Max("
    + ",".join("Max(" + ",".join(f"q1+{20 * i + j}*q2" for j in range(20)) + ")" for i in range(9))
    + ")",
    "many large Max": "+".join(
        "Max(" + ",".join(f"sqrt(q1**2+{i + j})*sin(q2)" for j in range(20)) + ")"
        for i in range(200)
    ),
    "power of a long product": "(" + "*".join(f"(q1+{i})" for i in range(2000)) + ")**500",
    "root of a long product": "sqrt(" + "*".join(f"(q1**2+{i})" for i in range(1, 2000)) + ")",
    "Abs of a long product": "Abs(" + "*".join(f"(q1-{i})" for i in range(1500)) + ")",
    "long quotient": "/".join(f"(q1+{i})" for i in range(8000)),
}  # fmt: skip


def test_all_of_it_is_refused_in_bounded_time_and_memory():
    """In a process of its own, which is ended after a minute, with 400 MB beyond its start."""
    program = textwrap.dedent(
        """
        import json, resource, sys
        from ehf_sym import FormulaError, PhaseSpace, parse
        texts = json.load(sys.stdin)
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + 400 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for name, text in texts.items():
            try:
                parse(text, PhaseSpace(2))
            except FormulaError as error:
                if len(str(error)) > 1000:
                    print(name, "has a long message")
            else:
                print(name, "is not refused")
        print("done")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(HOSTILE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr


def test_the_work_of_one_text_is_counted(monkeypatch):
    text = "+".join(f"Max(q1-{i},q2)" for i in range(30))
    assert parse(text, SPACE).has(sp.Max)
    monkeypatch.setattr(reader, "_MAX_WORK", 2_000)
    with pytest.raises(FormulaError, match="takes too long to be evaluated"):
        parse(text, SPACE)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(f"(q1-{i})**2*p1" for i in range(400)),
        "Max(" + ",".join(f"Abs(q1-{i})" for i in range(12)) + ")",
        "*".join(f"(q1+{i})" for i in range(150)),
        "exp(-sqrt(1+sqrt(1+sqrt(1+sqrt(1+q1**2)))))",
        "softplus(softplus(softplus(q1)))+tanh(tanh(tanh(1)))",
    ],
    ids=lambda text: text[:30],
)
def test_long_formulas_are_read_and_written(text):
    formula = parse(text, SPACE)
    assert parse(format_formula(formula), SPACE) == formula
