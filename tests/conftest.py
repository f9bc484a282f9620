"""Hypothesis runs the same examples everywhere, without a clock; plots need no screen.

Tests that ask for `each_engine` run twice: with the kernels in C, and by the reference.
"""

import matplotlib
import pytest
from hypothesis import settings

from ehf_num.engine import native

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fixed")
matplotlib.use("Agg")


@pytest.fixture(params=["C", "reference"])
def each_engine(request):
    """Compute by one engine, then by the other."""
    if request.param == "C" and native.kernels is None:
        pytest.skip("no C compiler at installation")
    native.set_native(request.param == "C")
    yield request.param
    native.set_native(None)
