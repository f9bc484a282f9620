"""Named symmetries and systems."""
