"""Exact linear and polynomial algebra on functions."""
