"""Hand-written gradients, dropout, padding; each computes what a plain formula of `reference` does."""
