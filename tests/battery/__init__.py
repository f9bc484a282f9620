"""Twenty rows of checks with known answers, planted faults and bad input: docs/trust.md."""
