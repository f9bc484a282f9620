"""Is a density kept: reports, and what decides."""
