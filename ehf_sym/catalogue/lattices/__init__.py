"""Fields on periodic lattices."""
