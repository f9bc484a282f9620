"""Hypothesis runs the same examples everywhere, without a clock; plots need no screen."""

import matplotlib
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fixed")
matplotlib.use("Agg")
