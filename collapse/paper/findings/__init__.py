"""The paper's claims, each a check on the runs of a study."""
