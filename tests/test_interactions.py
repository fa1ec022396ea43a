"""Every interaction equals its formula and has the properties that the paper proves.

B batch, N fields, K columns, M sets.
"""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from collapse.errors import CollapseError
from collapse.training.models import interactions
from collapse.training.models.config import MLPConfig, ModelConfig
from collapse.training.models.heads import BilinearFusion, TowerAndLogit
from collapse.training.models.interaction import Interaction
from collapse.training.models.interactions.finalmlp import FinalMLPConfig
from collapse.training.models.listing import count_parameters
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.reference import FORMULAS
from collapse.training.models.registry import interaction_class, model_config, model_names
from tests.sets import give_every_set, streams

MODELS = sorted(FORMULAS)
VARIANTS = [
    *MODELS,
    *("dcnv2,regularised=lambda", "dcnv2,regularised=factor", "dcnv2,cross_layers=1"),
    *("finalmlp,feature_selection=false", "ipnn,embeddings=false", "xdeepfm,cin_layers=3,maps=2"),
    *("autoint,attention_layers=1,heads=3,units=2", "ffm,linear=true"),
]
sizes = st.integers(1, 5)


def build_interaction(n_fields: int, config: ModelConfig) -> Interaction:
    kind = interaction_class(config.model)
    return kind(n_fields, config.embedding_size, config.interaction)


Module = TypeVar("Module", bound=nn.Module)


def perturbed(module: Module) -> Module:
    """Move every parameter away from special values such as 0 and 1, in float64."""
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 2)
    return module


def test_every_registered_model_has_a_twin() -> None:
    files = Path(interactions.__path__[0]).glob("[a-z]*.py")
    assert sorted(path.stem for path in files) == MODELS
    assert set(MODELS) <= set(model_names())


@pytest.mark.parametrize("variant", VARIANTS)
@given(B=st.integers(2, 5), N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
def test_an_interaction_is_its_formula(variant: str, B: int, N: int, K: int, seed: int) -> None:
    """Values of every stream, and gradients of input and parameters, equal those of a plain reference."""
    torch.manual_seed(seed)
    config = model_config(variant, embedding_size=K)
    interaction = perturbed(build_interaction(N, zero_dropout(config)))
    columns = interaction.columns(N, K)
    e_BNC = torch.randn(B, N, columns, dtype=torch.float64, requires_grad=True)
    ours, twin = streams(interaction, e_BNC), FORMULAS[config.model](interaction, e_BNC)
    torch.testing.assert_close(ours, twin)
    wanted = [e_BNC, *interaction.parameters()]
    weights = {s: torch.randn_like(h) for s, h in ours.items()}
    gradients = [
        torch.autograd.grad(
            sum(((h * weights[s]).sum() for s, h in outputs.items()), torch.zeros(())),
            wanted,
            allow_unused=True,
            materialize_grads=True,
        )
        for outputs in (ours, twin)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def zero_dropout(config: ModelConfig) -> ModelConfig:
    own = config.interaction
    return replace(config, interaction=replace(own, dropout=0.0)) if isinstance(own, MLPConfig) else config


@given(B=sizes, H=sizes, seed=st.integers(0, 99))
def test_the_fusion_is_its_formula(B: int, H: int, seed: int) -> None:
    torch.manual_seed(seed)
    fusion = perturbed(BilinearFusion({}, FinalMLPConfig(hidden=H)))
    z_1, z_2 = torch.randn(2, B, H, dtype=torch.float64)
    expected = [
        fusion.w.bias + fusion.w.weight[0] @ torch.cat([a, b]) + a @ fusion.W_3 @ b
        for a, b in zip(z_1, z_2, strict=True)
    ]
    torch.testing.assert_close(fusion({"first": z_1, "second": z_2}), torch.cat(expected))


@pytest.mark.parametrize("heads", [2, 3, 6])
def test_heads_of_the_fusion_are_blocks_of_its_matrix(heads: int) -> None:
    fusion = perturbed(BilinearFusion({}, FinalMLPConfig(hidden=6, fusion_heads=heads)))
    whole = perturbed(BilinearFusion({}, FinalMLPConfig(hidden=6)))
    with torch.no_grad():
        whole.w.load_state_dict(fusion.w.state_dict())
        whole.W_3.zero_()
        for h, block in enumerate(fusion.W_3.chunk(heads)):
            own = slice(h * len(block), (h + 1) * len(block))
            whole.W_3[own, own] = block
    first, second = torch.randn(2, 5, 6, dtype=torch.float64)
    z = {"first": first, "second": second}
    torch.testing.assert_close(fusion(z), whole(z))


def test_heads_divide_the_hidden_units() -> None:
    with pytest.raises(CollapseError, match="fusion_heads must divide hidden"):
        FinalMLPConfig(hidden=400, fusion_heads=3)


def test_the_fusion_starts_small_or_at_zero() -> None:
    """For standardised streams, z_1^T W_3 z_2 has variance 2 at the start, for any number of units."""
    torch.manual_seed(0)
    W_3 = BilinearFusion({}, FinalMLPConfig(hidden=300)).W_3
    assert W_3.std().item() == pytest.approx((2 / (300**2 + 1)) ** 0.5, rel=0.02)
    assert not BilinearFusion({}, FinalMLPConfig(hidden=300, fusion_start="zero")).W_3.any()


def test_a_tower_beside_a_logit_is_their_sum() -> None:
    torch.manual_seed(0)
    config = MLPConfig(hidden=4, dropout=0.0)
    head = TowerAndLogit({"deep": 3, "explicit": 5}, config)
    deep, explicit = torch.randn(6, 4), torch.randn(6, 5)
    head.eval()
    twin = head.mlp(deep)[:, 0] + explicit @ head.w.weight[0]
    torch.testing.assert_close(head({"deep": deep, "explicit": explicit}), twin)
    assert isinstance(head.projection("explicit", 5, config), nn.Identity)


def fields_of(e_BNC: Tensor) -> tuple[Tensor, Tensor]:
    """Return a random order of the fields, and the embeddings in it."""
    order = torch.randperm(e_BNC.shape[1])
    return order, e_BNC[:, order]


class TestFieldPermutation:
    """A permutation of the fields permutes what belongs to single fields and changes nothing else."""

    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_fm_has_no_order(self, N: int, K: int, seed: int) -> None:
        torch.manual_seed(seed)
        fm = build_interaction(N, model_config("fm", embedding_size=K))
        e_BNK = torch.randn(3, N, K, dtype=torch.float64)
        torch.testing.assert_close(fm(fields_of(e_BNK)[1]), fm(e_BNK))

    @pytest.mark.parametrize("model", ["dnn", "autoint"])
    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_features_of_a_field_move_with_it(self, model: str, N: int, K: int, seed: int) -> None:
        torch.manual_seed(seed)
        interaction = build_interaction(N, model_config(model, embedding_size=K)).double()
        e_BNK = torch.randn(3, N, K, dtype=torch.float64)
        order, moved = fields_of(e_BNK)
        before, after = interaction(e_BNK), interaction(moved)
        for stream in interaction.widths:
            expected = before[stream].unflatten(1, (N, -1))[:, order]
            torch.testing.assert_close(after[stream].unflatten(1, (N, -1)), expected)

    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_ipnn_permutes_the_pairs(self, N: int, K: int, seed: int) -> None:
        torch.manual_seed(seed)
        ipnn = build_interaction(N, model_config("ipnn", embedding_size=K))
        e_BNK = torch.randn(3, N, K, dtype=torch.float64)
        before, after = (streams(ipnn, e)["h"][:, N * K :] for e in (e_BNK, fields_of(e_BNK)[1]))
        torch.testing.assert_close(after.sort(1).values, before.sort(1).values)

    @pytest.mark.parametrize("model", ["dcnv2", "nfwfm"])
    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_weights_of_pairs_permute_with_the_fields(self, model: str, N: int, K: int, seed: int) -> None:
        """Permuted weights and permuted fields give the same result."""
        torch.manual_seed(seed)
        config = model_config(model, embedding_size=K)
        interaction, other = (perturbed(build_interaction(N, config)).eval() for _ in range(2))
        e_BNK = torch.randn(3, N, K, dtype=torch.float64)
        order, moved = fields_of(e_BNK)
        state = {
            key: self.permuted(key, value, order, K) if value.is_floating_point() else value
            for key, value in interaction.state_dict().items()
        }
        other.load_state_dict(state)
        before, after = streams(interaction, e_BNK)["h"], streams(other, moved)["h"]
        if model == "dcnv2":
            before = before.view(-1, N, K)[:, order].flatten(1)
        torch.testing.assert_close(after, before)

    @staticmethod
    def permuted(key: str, value: Tensor, order: Tensor, K: int) -> Tensor:
        if key == "r_NN":
            return value[order][:, order]
        if key.startswith("layers"):
            rows = (order[:, None] * K + torch.arange(K)).flatten()
            return value[rows] if value.ndim == 1 else value[rows][:, rows]
        return value

    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_the_maps_of_xdeepfm_permute_with_the_fields(self, N: int, K: int, seed: int) -> None:
        torch.manual_seed(seed)
        ours, other = (build_interaction(N, model_config("xdeepfm", embedding_size=K)).double() for _ in "ab")
        e_BNK = torch.randn(3, N, K, dtype=torch.float64)
        order, moved = fields_of(e_BNK)
        state = dict(ours.state_dict())
        state["layers.0.weight"] = state["layers.0.weight"].unflatten(1, (N, N))[:, order][:, :, order].flatten(1)
        state["layers.1.weight"] = state["layers.1.weight"].unflatten(1, (-1, N))[:, :, order].flatten(1)
        other.load_state_dict(state)
        torch.testing.assert_close(other(moved)["explicit"], ours(e_BNK)["explicit"])

    @given(N=st.integers(2, 5), K=sizes, seed=st.integers(0, 99))
    def test_ffm_moves_the_targets_too(self, N: int, K: int, seed: int) -> None:
        torch.manual_seed(seed)
        ffm = build_interaction(N, model_config("ffm", embedding_size=K))
        e_BNNK = torch.randn(3, N, N, K, dtype=torch.float64)
        order = torch.randperm(N)

        def packed(e_BNNK: Tensor) -> Tensor:
            others = [[j for j in range(N) if j != i] for i in range(N)]
            return torch.stack([e_BNNK[:, i, others[i]].flatten(1) for i in range(N)], dim=1)

        torch.testing.assert_close(ffm(packed(e_BNNK[:, order][:, :, order])), ffm(packed(e_BNNK)))


class TestLinearInteractionsOfAllSets:
    """Appendix E: without non-linearity, ME equals SE with M K columns, up to order and the factor 1 / M."""

    @given(N=sizes, K=sizes, M=sizes, seed=st.integers(0, 99))
    def test_dnn(self, N: int, K: int, M: int, seed: int) -> None:
        """The features of all sets together are the features of E = [E^(1), ..., E^(M)] in another order."""
        torch.manual_seed(seed)
        e_BNMK = torch.randn(3, N, M, K, dtype=torch.float64)
        one = build_interaction(N, model_config("dnn", embedding_size=K))
        all_sets = torch.cat([one(e_BNMK[:, :, m])["h"] for m in range(M)], dim=1)
        single = build_interaction(N, model_config("dnn", embedding_size=M * K))(e_BNMK.flatten(2))["h"]
        torch.testing.assert_close(all_sets.view(3, M, N, K).transpose(1, 2).flatten(1), single)

    @given(N=sizes, K=sizes, M=sizes, H=sizes, seed=st.integers(0, 99))
    def test_projected_dnn(self, N: int, K: int, M: int, H: int, seed: int) -> None:
        """With a linear projection per set, the mean over sets is the projection of M K columns times 1 / M."""
        torch.manual_seed(seed)
        e_BNMK = torch.randn(3, N, M, K, dtype=torch.float64)
        projections = [nn.Linear(N * K, H, bias=False).double() for _ in range(M)]
        one = build_interaction(N, model_config("dnn", embedding_size=K))
        mean = torch.stack([projections[m](one(e_BNMK[:, :, m])["h"]) for m in range(M)]).mean(0)
        W_HNMK = torch.stack([p.weight.view(H, N, K) for p in projections], dim=2)
        single = build_interaction(N, model_config("dnn", embedding_size=M * K))(e_BNMK.flatten(2))["h"]
        torch.testing.assert_close(mean, single @ W_HNMK.flatten(1).T / M)

    @given(N=sizes, K=sizes, M=sizes, layers=st.integers(1, 3), seed=st.integers(0, 99))
    def test_dcnv2(self, N: int, K: int, M: int, layers: int, seed: int) -> None:
        """ME equals SE with M K columns, where W^(m,m') is W^(m) for m = m' and zero otherwise, at any depth."""
        torch.manual_seed(seed)
        e_BNMK = torch.randn(3, N, M, K, dtype=torch.float64)
        sets = [
            build_interaction(N, model_config(embedding_size=K, cross_layers=layers)).double() for _ in range(M)
        ]
        single = build_interaction(N, model_config(embedding_size=M * K, cross_layers=layers)).double()
        for layer in range(layers):
            W_NMKNMK = torch.zeros(N, M, K, N, M, K, dtype=torch.float64)
            for m, network in enumerate(sets):
                W_NMKNMK[:, m, :, :, m] = network.get_parameter(f"layers.{layer}.weight").detach().view(N, K, N, K)
            single.get_parameter(f"layers.{layer}.weight").data = W_NMKNMK.view(N * M * K, N * M * K)
        all_sets = torch.stack([streams(sets[m], e_BNMK[:, :, m])["h"].view(3, N, K) for m in range(M)], dim=2)
        torch.testing.assert_close(all_sets.flatten(1), streams(single, e_BNMK.flatten(2))["h"])

    @given(N=st.integers(2, 5), K=sizes, M=sizes, seed=st.integers(0, 99))
    def test_fm(self, N: int, K: int, M: int, seed: int) -> None:
        """FM has no projection: its mean over sets is the logit for M K columns times 1 / M."""
        torch.manual_seed(seed)
        e_BNMK = torch.randn(3, N, M, K, dtype=torch.float64)
        fm = build_interaction(N, model_config("fm", embedding_size=K))
        mean = torch.stack([fm(e_BNMK[:, :, m])["logit"] for m in range(M)]).mean(0)
        torch.testing.assert_close(mean, fm(e_BNMK.flatten(2))["logit"] / M)


class TestParameterCounts:
    """Counted by hand for Criteo's shape: N = 39 fields and 1,080,000 table rows (Table 4)."""

    N, rows, K, H = 39, 1_080_000, 10, 400

    def hidden(self, inputs: int) -> int:
        return inputs * self.H + self.H + 2 * self.H

    def rest(self) -> int:
        return self.hidden(self.H) + self.H + 1

    def counted(self, name: str) -> int:
        N, K, H, NK = self.N, self.K, self.H, self.N * self.K
        tables = self.rows * K
        cin = 16 * (N * N) + 16 + 16 * (16 * N) + 16
        attention = (K + 64 + 64) * 256 + 3 * 2 * 64
        return {
            "dnn-10": tables + self.hidden(NK) + self.rest(),
            "ipnn-10": tables + self.hidden(NK + N * (N - 1) // 2) + self.rest(),
            "ipnn-10x2,embeddings=false": 2 * tables + 2 * self.hidden(N * (N - 1) // 2) + self.rest(),
            "nfwfm-50": 5 * tables + N * N + 2 * 50 + self.hidden(50) + self.rest(),
            "xdeepfm-10": tables + cin + 32 + self.hidden(NK) + self.rest(),
            "dcnv2-10": tables + 4 * (NK * NK + NK) + self.hidden(NK) + self.rest(),
            "dcnv2-10x2": 2 * (tables + 4 * (NK * NK + NK) + self.hidden(NK)) + self.rest(),
            "dcnv2-10x2,interactions=shared": 2 * tables + 4 * (NK * NK + NK) + self.hidden(NK) + self.rest(),
            "dcnv2-10,regularised=lambda": tables + 4 * (NK * NK + NK + N * N) + self.hidden(NK) + self.rest(),
            "dcnv2-10,cross_layers=8": tables + 8 * (NK * NK + NK) + self.hidden(NK) + self.rest(),
            "dcnv2-10,depth=5": tables + 4 * (NK * NK + NK) + self.hidden(NK) + 2 * self.hidden(H) + self.rest(),
            "finalmlp-10": tables + 2 * (NK + self.hidden(NK) + self.hidden(H)) + 2 * H + 1 + H * H,
            "autoint-10": tables + attention + N * 64 + self.hidden(NK) + self.rest(),
            "fm-10": tables + 1,
            "ffm-8": 8 * (N - 1) * self.rows + 1,
            "ffm-8,linear=true": 8 * (N - 1) * self.rows + self.rows + 1,
        }[name]

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "dnn-10",
                "ipnn-10",
                "ipnn-10x2,embeddings=false",
                "nfwfm-50",
                "xdeepfm-10",
                "dcnv2-10",
                "dcnv2-10x2",
            ),
            *(
                "dcnv2-10x2,interactions=shared",
                "dcnv2-10,regularised=lambda",
                "dcnv2-10,cross_layers=8",
                "dcnv2-10,depth=5",
                "finalmlp-10",
            ),
            *("autoint-10", "fm-10", "ffm-8", "ffm-8,linear=true"),
        ],
    )
    def test_the_count_is_the_hand_count(self, name: str) -> None:
        assert count_parameters(model_config(name))[0] == self.counted(name)

    def test_the_embeddings_of_dcnv2_hold_above_92_percent(self) -> None:
        """Appendix A."""
        parameters, embeddings = count_parameters(model_config())
        assert embeddings / parameters > 0.92


@pytest.mark.parametrize("name", [f"{model}{sets}" for model in MODELS for sets in ("-4", "-4x3")])
def test_a_model_overfits_a_small_batch(name: str) -> None:
    """It memorises random labels of 32 different rows."""
    torch.manual_seed(0)
    ids_BN = torch.stack([torch.randperm(32) for _ in range(4)], dim=1).int()
    labels_B = torch.arange(32).remainder(2).float()
    model = MultiEmbeddingModel([32] * 4, model_config(f"{name}"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(ids_BN), labels_B).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    logits_B = model.eval()(ids_BN)
    assert nn.functional.binary_cross_entropy_with_logits(logits_B, labels_B).item() < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_a_model_takes_bf16_products(model: str) -> None:
    """Under autocast, loss and gradients equal those of float32 up to bfloat16's precision."""
    torch.manual_seed(0)
    network = MultiEmbeddingModel([9] * 4, zero_dropout(model_config(model, embedding_size=3, sets=2)))
    with torch.no_grad():
        network.embedding.weight.mul_(2)
    ids_BN, labels_B = torch.randint(0, 9, (64, 4), dtype=torch.int32), torch.rand(64).round()
    found = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits_B = network(ids_BN)
        loss = nn.functional.binary_cross_entropy_with_logits(logits_B.float(), labels_B)
        loss.backward()  # type: ignore[no-untyped-call]
        assert network.embedding.weight.grad is not None
        found.append((loss.item(), network.embedding.weight.grad))
    (exact, exact_grad), (rough, rough_grad) = found
    assert rough == pytest.approx(exact, rel=0.02)
    assert torch.nn.functional.cosine_similarity(exact_grad.flatten(), rough_grad.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("model", MODELS)
@given(seed=st.integers(0, 99))
def test_equal_sets_give_what_one_set_gives(model: str, seed: int) -> None:
    """An ME model of M equal sets equals the SE model: the mean over sets changes nothing."""
    torch.manual_seed(seed)
    single = MultiEmbeddingModel([4, 5, 3], model_config(model, embedding_size=3)).eval()
    multi = MultiEmbeddingModel([4, 5, 3], model_config(model, embedding_size=3, sets=3)).eval()
    give_every_set(multi, single)
    ids_BN = torch.stack([torch.randint(0, D, (6,)) for D in (4, 5, 3)], dim=1).int()
    torch.testing.assert_close(multi(ids_BN), single(ids_BN))


@pytest.mark.parametrize("model", MODELS)
def test_no_tensor_of_a_step_has_all_pairs_and_all_directions(model: str) -> None:
    """No activation grows as B N^2 K. Only FFM's embeddings do, by definition."""
    N, K, B = 48, 16, 11
    network = MultiEmbeddingModel([9] * N, model_config(model, embedding_size=K))
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        # No parameter has 11 or 22 rows.
        if tensor.shape and tensor.shape[0] % B == 0:
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.zeros(B, N, dtype=torch.int32))
    assert kept
    if model != "ffm":
        assert max(kept) < B * N * N * K // 2
