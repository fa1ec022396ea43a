"""Hand-written gradients, dropout and padding, each equivalent to a plain formula in `reference`."""
