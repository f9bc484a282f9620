"""Likelihoods and their errors."""
