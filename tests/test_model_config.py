"""Names derived from settings and parsed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.model_config import INTERACTIONS, READINGS, ModelConfig, model_config

counts = st.integers(1, 10_000)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    sets = draw(st.integers(1, 20))
    return ModelConfig(
        model=draw(st.from_regex(r"[a-z][a-z0-9_]{0,9}|[a-z_.]{1,9}:[A-Z][A-Za-z0-9]{0,9}", fullmatch=True)),
        embedding_size=draw(counts),
        sets=sets,
        interactions=draw(st.sampled_from(INTERACTIONS)) if sets > 1 else "separate",
        hidden=draw(counts),
        depth=draw(st.integers(2, 99)),
        dropout=draw(st.floats(0, 0.99)),
        cross_layers=draw(counts),
        regularised=draw(st.booleans()),
        penalty_weight=draw(st.floats(1e-300, 1e300)),
        reading=draw(st.sampled_from(READINGS)),
    )


@given(config=configs())
def test_a_name_is_parsed_back(config: ModelConfig) -> None:
    assert model_config(config.name) == config


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (ModelConfig(), "dcnv2-10"),
        (ModelConfig(embedding_size=40), "dcnv2-40"),
        (ModelConfig(model="nfwfm", sets=4), "nfwfm-50x4"),
        (ModelConfig(model="ffm"), "ffm-8"),
        (ModelConfig(sets=4, interactions="shared"), "dcnv2-10x4-shared"),
        (ModelConfig(sets=4, regularised=True, reading="code"), "dcnv2-10x4-reg-code"),
        (ModelConfig(cross_layers=8, depth=6), "dcnv2-10-cross8-depth6"),
        (ModelConfig(regularised=True, penalty_weight=1e-4, dropout=0.0), "dcnv2-10-reg-dropout0.0-weight0.0001"),
        (ModelConfig(model="mine:Own"), "mine:Own-10"),
    ],
)
def test_names(config: ModelConfig, name: str) -> None:
    assert config.name == name


@pytest.mark.parametrize("model", ["dcnv2", "nfwfm", "ffm", "mine:Own"])
def test_a_model_alone_is_its_baseline(model: str) -> None:
    assert model_config(model) == ModelConfig(model=model)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dcnv2-10-shared", "shared interactions need 2 sets or more, and sets is 1"),
        ("dcnv2-10-depth1", "depth is 1"),
        ("dcnv2-10x4-hidden0", "hidden is 0"),
        ("dcnv2-10x0", "sets is 0"),
    ],
)
def test_a_name_out_of_bounds(name: str, said: str) -> None:
    with pytest.raises(CollapseError, match=said):
        model_config(name)
