"""The public surface of ehf_num."""

import subprocess
import sys

import pytest

import ehf_num as en
import ehf_sym as es


@pytest.mark.parametrize("name", en.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    assert getattr(en, name).__doc__


def test_all_is_sorted_and_has_no_duplicates():
    assert en.__all__ == sorted(set(en.__all__))


@pytest.mark.parametrize(
    "absent", ["matplotlib", "scipy.special", "scipy.stats", "hypothesis", "pytest", "sphinx"]
)
def test_importing_does_not_import(absent):
    code = f"import sys, ehf_num; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("package", [en, es])
def test_what_is_listed_is_the_api(package):
    assert dir(package) == package.__all__
