"""Spectral measures of arrays. They need NumPy and SciPy only."""
