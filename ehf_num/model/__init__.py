"""What a user holds: a model, saved, diagnosed."""
