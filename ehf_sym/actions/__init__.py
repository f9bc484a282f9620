"""Finite transformations in closed form."""
