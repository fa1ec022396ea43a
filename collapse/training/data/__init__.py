"""Preparing and reading data sets."""
