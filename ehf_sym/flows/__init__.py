"""Finite transformations in closed form, and their proof."""
