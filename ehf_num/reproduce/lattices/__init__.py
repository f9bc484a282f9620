"""Studies of fields on a lattice, learned from their actions."""
