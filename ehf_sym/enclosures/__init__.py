"""Rigorous values of formulas."""
