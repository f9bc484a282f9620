"""The base density in numbers, and encoders h(p|q)."""
