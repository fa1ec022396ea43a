"""Prepared data sets: folders that training reads directly."""
