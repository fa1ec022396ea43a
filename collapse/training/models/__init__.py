"""The one model, its parts, and the interactions in which the models of the paper differ."""
