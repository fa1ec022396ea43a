"""Spectral measures: arrays in, arrays out."""
