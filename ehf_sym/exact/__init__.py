"""Exact algebra on functions: spans, invariants' algebras, equations between parameters."""
