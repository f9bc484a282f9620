"""The study of data efficiency."""
