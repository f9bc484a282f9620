"""The zero test gives equal answers whichever library SymPy does its exact arithmetic with."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json
from sympy.external.gmpy import GROUND_TYPES
from ehf_sym.zero.zero_test import is_zero
from tests.sym.identities import HARD, PLANTED, TRUE
sample = [*TRUE[::9], *PLANTED[::17], *HARD[::5]]
verdicts = [is_zero(entry.formula, time_limit=60) for entry in sample]
print(json.dumps([GROUND_TYPES, [[v.status, str(v.witness), str(v.value)] for v in verdicts]]))
"""


def answers(ground_types):
    environment = {**os.environ, "SYMPY_GROUND_TYPES": ground_types}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(importlib.util.find_spec("flint") is None, reason="python-flint is missing")
def test_python_flint_changes_no_answer():
    used, with_flint = answers("flint")
    plain, without = answers("python")
    assert (used, plain) == ("flint", "python")
    assert with_flint == without
    assert {status for status, _, _ in without} >= {"proved", "refuted"}
