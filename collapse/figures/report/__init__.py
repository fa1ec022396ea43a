"""The report on checkpoints: one HTML page that needs no other file and no network."""
