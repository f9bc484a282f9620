"""Hypothesis runs the same examples everywhere, without a clock; plots need no screen.

Tests that ask for `each_engine` run twice: with the kernels in C, and by the reference.
"""

import matplotlib
import pytest
from hypothesis import settings

from ehf_num.engine import engine, native

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fixed")
matplotlib.use("Agg")
engine._Told.once = True  # of kernels that are missing here; a test of its own asks for it


@pytest.fixture(params=["C", "reference"])
def each_engine(request):
    """Compute by one engine, then by the other."""
    if request.param == "C" and native.kernels is None:
        pytest.skip("no C compiler at installation")
    native.set_native(request.param == "C")
    yield request.param
    native.set_native(None)
