"""Lie algebras by their structure constants."""
