"""Hugging Face: T5, with three names for its one table, in a torch file that also contains attention biases."""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import T5Config, T5ForConditionalGeneration

folder = Path(sys.argv[1])
torch.manual_seed(0)
config = T5Config(vocab_size=120, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
model = T5ForConditionalGeneration(config)
torch.save(model.state_dict(), folder / "model")
np.savez(folder / "truth.npz", shared=model.shared.weight.detach().numpy())
(folder / "version").write_text(f"transformers {transformers.__version__}")
