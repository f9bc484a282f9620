"""Base densities as formulas."""
