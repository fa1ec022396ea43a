"""The prepared data set: a folder that training reads as it is."""
