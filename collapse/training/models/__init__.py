"""The model, its parts, and the interactions that distinguish the models of the paper."""
