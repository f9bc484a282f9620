"""Symmetries in numbers."""
