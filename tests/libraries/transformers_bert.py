"""Hugging Face: BERT in safetensors, with tables of tokens, positions and segments."""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertModel

folder = Path(sys.argv[1])
torch.manual_seed(0)
config = BertConfig(
    vocab_size=120, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=24,
)  # fmt: skip
model = BertModel(config)
model.save_pretrained(folder)
(folder / "model.safetensors").rename(folder / "model")
kinds = ("position_embeddings", "token_type_embeddings", "word_embeddings")
np.savez(folder / "truth.npz", **{kind: getattr(model.embeddings, kind).weight.detach().numpy() for kind in kinds})
(folder / "version").write_text(f"transformers {transformers.__version__}")
