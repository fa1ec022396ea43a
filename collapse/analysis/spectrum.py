"""Every field's normalised singular values (Figure 1b)."""

import numpy as np
import pandas as pd

from collapse.analysis.factors import FactoredTables
from collapse.analysis.measures.abundance import normalised_spectrum


def spectra(factored: FactoredTables) -> pd.DataFrame:
    """Return sigma_k / sigma_1 of every field's table.

    Parameters
    ----------
    factored : FactoredTables
        The tables.

    Returns
    -------
    pandas.DataFrame
        A row a singular value: ``field``, ``cardinality``, ``k`` from 1, ``sigma``, ``sigma_normalised`` from 0
        to 1, descending within a field.
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
                }
            )
            for table in factored
        ],
        ignore_index=True,
    )
