"""The spectrum of a table that all machines can read, on Ray: ``python spectra_on_ray.py FILE``."""

import sys

import ray

import collapse
from collapse import gram_state, merge, spectrum

ROWS = 100_000
path = sys.argv[1]
table = collapse.load(path).tables[0].E
ray.init(log_to_driver=False)


@ray.remote
def state_of_rows(first, basis, scale):
    E = collapse.load(path, verify=False).tables[0].E[first : first + ROWS]
    return gram_state(E, first_row=first, causes=basis is None, basis=basis, scale=scale)


def state_of(basis=None, scale=1.0):
    """Return the state of all rows: each task sends K x K numbers."""
    starts = range(0, table.shape[0], ROWS)
    return merge(ray.get([state_of_rows.remote(first, basis, scale) for first in starts]))


sigma = spectrum(state_of(), state_of).sigma
print(f"IA {sigma.sum() / sigma[0]:.9f}")
