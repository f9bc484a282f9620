"""Lie algebras by their structure constants: series, ideals, Levi, names, Casimirs."""
