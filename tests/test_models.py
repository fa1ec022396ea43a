"""The one model, its embedding and its dropout.

Shapes: B batch, N fields, K embedding size, M sets.
"""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models import MultiEmbeddingModel
from collapse.training.models.dropout import Dropout
from collapse.training.models.embedding import FusedEmbedding
from tests.twins import cross


class TestFusedEmbedding:
    """One gather from one table is a lookup in every field's and set's own table."""

    cardinalities = (3, 1, 7)

    def lookup(self, ids_BN: Tensor, embedding: FusedEmbedding) -> list[Tensor]:
        tables = torch.split(embedding.weight, list(self.cardinalities))
        looked_up = torch.stack([table[ids_BN[:, i].long()] for i, table in enumerate(tables)], dim=1)
        return list(looked_up.chunk(embedding.sets, dim=-1))

    def ids(self) -> Tensor:
        return torch.tensor([[2, 0, 6], [0, 0, 6], [2, 0, 0], [2, 0, 6]], dtype=torch.int32)

    def test_values_and_gradients(self) -> None:
        """Also where the gradient adds to an earlier one in place."""
        torch.manual_seed(0)
        embedding = FusedEmbedding(list(self.cardinalities), 4, sets=2)
        for _ in range(2):
            sets = embedding(self.ids())
            torch.testing.assert_close(list(sets), self.lookup(self.ids(), embedding))
            sum((h.square().sum() * (m + 1) for m, h in enumerate(sets)), torch.zeros(())).backward()
        ours = embedding.weight.grad
        embedding.weight.grad = None
        for _ in range(2):
            twin = self.lookup(self.ids(), embedding)
            sum((h.square().sum() * (m + 1) for m, h in enumerate(twin)), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(ours, embedding.weight.grad)

    def test_each_set_starts_xavier_uniform_over_its_block(self) -> None:
        torch.manual_seed(0)
        embedding = FusedEmbedding([500, 700], 8, sets=3)
        bound = (6 / (1200 + 8)) ** 0.5
        largest = embedding.weight.abs().amax().item()
        assert 0.99 * bound < largest <= bound


@given(p=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_dropout_zeroes_a_share_p_and_keeps_the_mean(p: float, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.full((200, 199), 3.0)
    dropped = Dropout(p)(x)
    share = (dropped == 0).double().mean().item()
    assert abs(share - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 3 / (1 - p)), rtol=1e-4, atol=0)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x


class TestMultiEmbeddingModel:
    """The ME form of Section 5.1."""

    def test_one_set_is_the_plain_baseline(self) -> None:
        """With M = 1: crosses, then an MLP 400-400-1 with batch normalisation, ReLU and dropout."""
        torch.manual_seed(0)
        model = MultiEmbeddingModel([4, 5], ModelConfig(embedding_size=3, hidden=7)).eval()
        ids_BN = torch.tensor([[0, 4], [3, 1]], dtype=torch.int32)
        (e_BNK,) = model.embedding(ids_BN)
        plain = nn.Sequential(*model.projections[0], *model.tower)  # type: ignore[misc]
        torch.testing.assert_close(model(ids_BN), plain(cross(model.interactions[0], e_BNK)).squeeze(1))
        kinds = [type(layer).__name__ for layer in plain]
        assert kinds[:4] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
        assert [layer.out_features for layer in plain.modules() if isinstance(layer, nn.Linear)] == [7, 7, 1]

    def test_sets_are_averaged_before_the_tower(self) -> None:
        """M equal sets give what one of them gives."""
        torch.manual_seed(0)
        config = ModelConfig(embedding_size=3, hidden=7)
        single = MultiEmbeddingModel([4, 5], config).eval()
        multi = MultiEmbeddingModel([4, 5], ModelConfig(embedding_size=3, hidden=7, sets=3)).eval()
        with torch.no_grad():
            multi.embedding.weight.copy_(single.embedding.weight.repeat(1, 3))
        for m in range(3):
            multi.interactions[m].load_state_dict(single.interactions[0].state_dict())
            multi.projections[m].load_state_dict(single.projections[0].state_dict())
        multi.tower.load_state_dict(single.tower.state_dict())
        ids_BN = torch.tensor([[0, 4], [3, 1]], dtype=torch.int32)
        torch.testing.assert_close(multi(ids_BN), single(ids_BN))

    def test_parameter_count_on_criteo(self) -> None:
        """The hand count of DCNv2 at Criteo's shape; embeddings hold above 92 % (Appendix A)."""
        with torch.device("meta"):
            model = MultiEmbeddingModel([27_692] * 38 + [27_704], ModelConfig())
        width = 39 * 10
        crosses = 4 * (width * width + width)
        mlp = (width * 400 + 400) + 2 * 400 + (400 * 400 + 400) + 2 * 400 + (400 + 1)
        embeddings = 1_080_000 * 10
        total = sum(parameter.numel() for parameter in model.parameters())
        assert total == embeddings + crosses + mlp
        assert embeddings / total > 0.92

    def test_the_layout_names_tensors_of_their_shapes(self) -> None:
        model = MultiEmbeddingModel([4, 5], ModelConfig(embedding_size=3, sets=2, cross_layers=3))
        state = model.state_dict()
        assert state[model.layout.embedding].shape == (9, 6)
        assert [(p.set, p.layer) for p in model.layout.projections] == [(m, n) for m in range(2) for n in range(3)]
        assert all(state[p.key].shape == (6, 6) for p in model.layout.projections)
