"""Where rows come from: published data sets, built-in ones, synthetic ones, a table of the user's own."""
