"""Benchmarks: ratios between two methods in one run, and the bound."""
