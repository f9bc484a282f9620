"""Formulas: coordinates, text in and out, reports, NumPy forms."""
