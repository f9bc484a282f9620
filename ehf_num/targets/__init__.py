"""Targets with a known log density."""
