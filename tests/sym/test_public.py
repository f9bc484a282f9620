"""The public surface: every name resolves, and importing it stays light."""

import subprocess
import sys

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


def test_only_the_bridge_imports_numpy():
    code = (
        "import sys, types\n"
        "names = dict.fromkeys(['NumpyFlow', 'NumpyFormula', 'to_numpy'])\n"
        "sys.modules['ehf_sym.formulas.numpy_forms'] = types.SimpleNamespace(**names)\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'numpy':\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import ehf_sym as es\n"
        "space = es.PhaseSpace(2)\n"
        "symmetry = es.LieAlgebra(space, [es.parse('q1*p2 - q2*p1', space)])\n"
        "sys.exit(not symmetry.check(es.StandardNormal(space)).proved)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()


def test_errors_are_value_errors_of_one_family():
    for error in (ehf_sym.ArgumentError, ehf_sym.FormulaError, ehf_sym.InvarianceError):
        assert issubclass(error, ehf_sym.EHFError)
        assert issubclass(error, ValueError)
    space = ehf_sym.PhaseSpace(1)
    report = ehf_sym.LieAlgebra(space, [space.p[0]]).check(ehf_sym.StandardNormal(space))
    assert ehf_sym.InvarianceError("no", report).report is report
