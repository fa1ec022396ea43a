"""Many runs at once: recipes, the sweep that makes them, and `Study`, which reads what they left."""
