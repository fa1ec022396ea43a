"""Names are derived from settings and parsed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import interaction_class, model_config, model_names, model_settings
from collapse.training.runs.config import RunConfig, Seeds


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Draw a model and any valid settings."""
    model = draw(st.sampled_from(model_names()))
    sets = draw(st.integers(1, 20))
    settings: dict[str, object] = {"embedding_size": draw(st.integers(1, 10_000)), "sets": sets}
    for item in model_settings(interaction_class(model)):
        if item.name in settings or not draw(st.booleans()):
            continue
        settings[item.name] = draw(
            {
                int: st.integers(2, 10_000),
                float: st.floats(1e-300, 0.99),
                bool: st.booleans(),
                str: st.sampled_from(item.choices or ("",)),
            }[item.kind]
        )
    if "fusion_heads" in settings:
        settings["hidden"] = settings["fusion_heads"] * draw(st.integers(1, 20))  # type: ignore[operator]
    if sets == 1 or (settings.get("interactions") == "aligned" and model != "dcnv2"):
        settings.pop("interactions", None)
    return model_config(model, **settings)


@given(config=configs())
def test_a_name_is_parsed_back(config: ModelConfig) -> None:
    assert model_config(config.name) == config
    assert RunConfig.from_dict(RunConfig(model=config).as_dict()).model == config


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("dcnv2", "dcnv2-10"),
        ("dcnv2-40", "dcnv2-40"),
        ("nfwfm-50x4", "nfwfm-50x4"),
        ("nfwfm", "nfwfm-50"),
        ("ffm", "ffm-8"),
        ("ffm,linear=false", "ffm-8"),
        ("dcnv2-10x4,interactions=shared", "dcnv2-10x4,interactions=shared"),
        ("dcnv2,sets=4,regularised=factor", "dcnv2-10x4,regularised=factor"),
        ("dcnv2-10,cross_layers=8,depth=6", "dcnv2-10,depth=6,cross_layers=8"),
        ("dcnv2,dropout=0,penalty_weight=1e-4", "dcnv2-10,dropout=0.0,penalty_weight=0.0001"),
    ],
)
def test_names(name: str, derived: str) -> None:
    assert model_config(name).name == derived


def test_whatever_differs_shows_in_the_label_of_a_run() -> None:
    """Layers, depth, variant and seeds are shown if they differ, and nothing else."""
    assert RunConfig().label == "dcnv2-10"
    config = RunConfig(model=model_config("dnn-10x2,depth=4"), seeds=Seeds(order=2), precision="bf16", epochs=3)
    assert config.label == "dnn-10x2,depth=4,precision=bf16,epochs=3,order_seed=2"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dcnv2-10,interactions=shared", "sets"),
        ("dcnv2-10,depth=1", "depth"),
        ("dcnv2-10x4,hidden=0", "hidden"),
        ("dcnv2-10,hidden=many", "hidden .*'many'"),
        ("dcnv2-10,regularised=yes", "regularised .*'no', 'lambda'.*'yes'"),
        (
            "dcnv2-10,regularised",
            r"'regularised' .*key=value",
        ),
        (
            "dcnv2-10,cros_layers=2",
            "'cros_layers'.* cross_layers",
        ),
        ("fm-10,hidden=8", "fm .*'hidden'.* embedding_size"),
        ("ffm,linear=maybe", "linear .*'maybe'"),
        ("dcnv2,dropout=1", "dropout .*1.0"),
        ("dcnv2-10x0", "'dcnv2-10x0'"),
        ("ipnn-10x2,interactions=aligned", "ipnn"),
        ("oracle-10", "'oracle'.* autoint, dcnv2"),
    ],
)
def test_a_name_that_is_none(name: str, said: str) -> None:
    with pytest.raises(CollapseError, match=said):
        model_config(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": "3"}, "epochs .*'3'"),
        ({"epochs": True}, "epochs .*True"),
        ({"seeds": {"split": 0, "luck": 1}}, "fit this version"),
        ({"model": {"model": "dcnv2"}}, "fit this version"),
        ({"model": 3}, "fit this version"),
    ],
)
def test_a_configuration_that_is_none(change: dict[str, object], said: str) -> None:
    with pytest.raises(CollapseError, match=said):
        RunConfig.from_dict({**RunConfig().as_dict(), **change})
