"""The paper's claims, each a test on the runs of a study."""
