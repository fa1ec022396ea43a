"""The spectrum of a table of vectors in Parquet, on Spark: ``python spectra_on_spark.py FILE COLUMN``."""

import pickle
import sys

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from collapse import gram_state, merge, spectrum

file, column = sys.argv[1:]
vectors = SparkSession.builder.getOrCreate().read.parquet(file).select(column)


def state_of(basis=None, scale=1.0):
    """Return the state of all rows: each worker reduces its batches to one state of K x K numbers."""

    def of_batches(batches):
        lists = [batch.column(0) for batch in batches]
        tables = [rows.flatten().to_numpy().reshape(len(rows), -1) for rows in lists if len(rows)]
        if tables:
            state = merge(gram_state(E, causes=basis is None, basis=basis, scale=scale) for E in tables)
            yield pa.RecordBatch.from_pydict({"state": [pickle.dumps(state)]})

    return merge(pickle.loads(row.state) for row in vectors.mapInArrow(of_batches, "state binary").collect())


sigma = spectrum(state_of(), state_of).sigma
print(f"IA {sigma.sum() / sigma[0]:.9f}")
