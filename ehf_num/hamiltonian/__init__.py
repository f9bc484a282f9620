"""Energies, integrators and their flow."""
