"""Formulas as elements of fields of independent kernels."""
