"""Benchmarks: ratios between two ways in one run, with the bound."""
