"""Experiments, studies, sweeps, and the report."""
