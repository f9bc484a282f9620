"""The zero test: is a formula identically zero."""
