"""Studies that go beyond the paper: many runs, each recorded as it ends."""
