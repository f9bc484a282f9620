"""Jumps of formulas, and flows that cross them."""
