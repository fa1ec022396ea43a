"""The interactions, one file per model with the model's name."""
