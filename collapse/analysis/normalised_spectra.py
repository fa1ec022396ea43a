"""Normalised singular values of every field (Figure 1b)."""

import numpy as np
import pandas as pd

from collapse.analysis.factorised import FactoredTables
from collapse.measures.abundance import normalised_spectrum
from collapse.measures.precision import ABOVE_NOISE


def normalised_spectra(factored: FactoredTables) -> pd.DataFrame:
    """Return sigma_k / sigma_1 of every field's table.

    Returns
    -------
    pandas.DataFrame
        One row per singular value: ``field``, ``cardinality``, ``k`` from 1, ``sigma``, ``sigma_normalised`` from
        0 to 1, descending within a field, and ``above_noise``, whether it exceeds the rounding noise of the
        table's type (`rounding_noise`).
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "field": table.field,
                    "cardinality": table.cardinality,
                    "k": np.arange(1, len(table.sigma) + 1),
                    "sigma": table.sigma,
                    "sigma_normalised": normalised_spectrum(table.spectrum.values),
                    "above_noise": table.spectrum.values > ABOVE_NOISE * table.noise,
                }
            )
            for table in factored
        ],
        ignore_index=True,
    )
