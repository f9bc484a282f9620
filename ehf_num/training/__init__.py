"""The objective, its penalty, and the loop."""
