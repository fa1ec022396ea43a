"""Text models of Hugging Face: a table of tokens, and those of positions and segments."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="Hugging Face",
    size_setting="hidden_size of the model's configuration, of the whole model",
    tables=(
        r"(?P<field>shared|word_embeddings|embed_tokens|tok_embeddings|wte)\.weight",
        r"(?P<field>position_embeddings|token_type_embeddings|embed_positions|wpe)\.weight",
    ),
    others={
        r".*relative_attention_bias\.weight": "a number a distance and head",
        r"lm_head\.weight": "the output layer",
    },
)
