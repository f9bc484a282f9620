"""The catalogue: classical groups, particles, lattice, Kepler, oscillator."""
