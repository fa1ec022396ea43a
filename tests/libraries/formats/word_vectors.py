"""gensim: word2vec text and binary, GloVe text, KeyedVectors, Word2Vec, FastText; read again by fastText."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import fasttext
import numpy as np
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model

os.chdir(Path(sys.argv[1]))
X = np.random.default_rng(0).standard_normal((50, 7)).astype("f4")
vectors = KeyedVectors(7)
vectors.add_vectors([f"w{row}" for row in range(50)], X)
for ending in ("", ".gz"):
    vectors.save_word2vec_format(f"vectors.txt{ending}")
    vectors.save_word2vec_format(f"vectors.bin{ending}", binary=True)
vectors.save_word2vec_format("glove.txt", write_header=False)
vectors.save("vectors.kv")
vectors.save("apart.kv", separately=["vectors"])

random = np.random.default_rng(1)
sentences = [[f"t{word}" for word in random.integers(0, 40, 12)] for _ in range(200)]
words = Word2Vec(sentences, vector_size=9, min_count=1, workers=1, epochs=1, seed=0)
words.save("word2vec.model")
grams = FastText(sentences, vector_size=9, min_count=1, workers=1, epochs=1, bucket=60, seed=0)
grams.save("fasttext.model")
save_facebook_model(grams, "fasttext.bin")
matrix = fasttext.load_model("fasttext.bin").get_input_matrix()
counts = np.array([words.wv.get_vecattr(word, "count") for word in words.wv.index_to_key])

read = KeyedVectors.load_word2vec_format
truth = {
    "vectors.txt|vectors": read("vectors.txt").vectors,
    "vectors.txt.gz|vectors": read("vectors.txt.gz").vectors,
    "vectors.bin|vectors": read("vectors.bin", binary=True).vectors,
    "vectors.bin.gz|vectors": read("vectors.bin.gz", binary=True).vectors,
    "glove.txt|glove": read("glove.txt", no_header=True).vectors,
    "vectors.kv|vectors": X,
    "apart.kv|vectors": X,
    "word2vec.model|wv.vectors": words.wv.vectors,
    "fasttext.model|vectors_vocab": grams.wv.vectors_vocab,
    "fasttext.model|vectors_ngrams": grams.wv.vectors_ngrams,
    "fasttext.bin|words": matrix[: len(grams.wv)],
    "fasttext.bin|buckets": matrix[len(grams.wv) :],
}
np.savez("truth.npz", **truth)
np.savez(
    "counts.npz",
    **{"word2vec.model|wv.vectors": counts, "fasttext.model|vectors_vocab": counts, "fasttext.bin|words": counts},
)
Path("version").write_text(
    f"gensim {version('gensim')}, fastText {version('fasttext-community')} (fasttext-community)\n"
)
