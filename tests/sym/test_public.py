"""The public surface: every name resolves, and importing it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ehf_sym


def test_every_public_name_resolves():
    assert sorted(ehf_sym.__all__) == ehf_sym.__all__
    assert len(set(ehf_sym.__all__)) == len(ehf_sym.__all__)
    for name in ehf_sym.__all__:
        assert getattr(ehf_sym, name) is not None
        assert getattr(ehf_sym, name).__doc__


@pytest.mark.parametrize("module", ["scipy.special", "autograd", "matplotlib", "ehf_num"])
def test_import_is_light(module):
    code = f"import sys, ehf_sym; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Formulas and enclosures for many points at once; whatever proves anything else is exact.
ARRAYS = {
    "actions/numpy_flow.py",
    "actions/positivity.py",
    "catalogue/relative_frame.py",
    "enclosures/interval_arrays.py",
    "formulas/arrays.py",
    "formulas/numpy_forms.py",
}


def imported(path):
    """Names of the packages that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


def test_numpy_is_imported_where_arrays_are():
    package = Path(ehf_sym.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "numpy" in imported(path)
    }
    assert found == ARRAYS


def test_errors_are_value_errors_of_one_family():
    for error in (ehf_sym.ArgumentError, ehf_sym.FormulaError, ehf_sym.InvarianceError):
        assert issubclass(error, ehf_sym.EHFError)
        assert issubclass(error, ValueError)
    space = ehf_sym.PhaseSpace(1)
    report = ehf_sym.LieAlgebra(space, [space.p[0]]).check(ehf_sym.StandardNormal(space))
    assert ehf_sym.InvarianceError("no", report).report is report
