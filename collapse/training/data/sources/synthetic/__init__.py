"""Synthetic data sets whose true ranks are known."""
