"""Text models of Hugging Face: a table of tokens, and tables of positions and segments."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="Hugging Face",
    size_setting="hidden_size of the model's configuration, for the whole model",
    tables=(
        r"(?P<field>shared|word_embeddings|embed_tokens|tok_embeddings|wte)\.weight",
        r"(?P<field>position_embeddings|token_type_embeddings|embed_positions|wpe)\.weight",
    ),
    others={
        r".*relative_attention_bias\.weight": "one number per distance and head",
        r"lm_head\.weight": "the output layer",
    },
)
