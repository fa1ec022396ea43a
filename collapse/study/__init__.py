"""Many runs: the sweep that trains them, and `Study`, which reads them."""
