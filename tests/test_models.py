"""The model class, its embedding and its dropout. B batch, N fields, K columns, M sets."""

from collections.abc import Sequence

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from collapse.training.models.embedding import FusedEmbedding
from collapse.training.models.kernels.dropout import Dropout
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.reference import cross
from collapse.training.models.registry import model_config
from tests.sets import give_every_set


class TestFusedEmbedding:
    """One gather from the fused table equals a lookup in the table of each field and set."""

    cardinalities = (3, 1, 7)

    def lookup(self, ids_BN: Tensor, embedding: FusedEmbedding) -> list[Tensor]:
        tables = torch.split(embedding.weight, list(self.cardinalities))
        looked_up = torch.stack([table[ids_BN[:, i].long()] for i, table in enumerate(tables)], dim=1)
        return list(looked_up.chunk(embedding.sets, dim=-1))

    def ids(self) -> Tensor:
        return torch.tensor([[2, 0, 6], [0, 0, 6], [2, 0, 0], [2, 0, 6]], dtype=torch.int32)

    def test_values_and_gradients(self) -> None:
        """Gradients of two batches add up, and the given tensor gets the same gradient as from autograd."""
        torch.manual_seed(0)
        embedding = FusedEmbedding(self.cardinalities, [4], sets=2)

        def backward(sets: Sequence[Tensor]) -> None:
            sum((h.square().sum() * (m + 1) for m, h in enumerate(sets)), torch.zeros(())).backward()  # type: ignore[no-untyped-call]

        for _ in range(2):
            torch.testing.assert_close(list(embedding(self.ids())), self.lookup(self.ids(), embedding))
            embedding.start()
            for _ in range(2):
                backward(embedding(self.ids()))
        into = embedding.weight.grad
        assert into is not None
        for way in (embedding, lambda ids: self.lookup(ids, embedding)):
            embedding.weight.grad = None
            for _ in range(2):
                backward(way(self.ids()))
            torch.testing.assert_close(into, embedding.weight.grad)

    def test_the_kept_gradient_is_zero_when_a_step_begins(self) -> None:
        embedding = FusedEmbedding(self.cardinalities, [4], sets=2)
        embedding.start()
        kept = embedding.weight.grad
        sum((h.sum() for h in embedding(self.ids())), torch.zeros(())).backward()
        assert kept is not None
        assert kept.any()
        embedding.start()
        assert embedding.weight.grad is kept
        assert not kept.any()

    def test_hooks_and_autograd_grad_see_the_gradient(self) -> None:
        """For any earlier content of `weight.grad`."""
        embedding = FusedEmbedding(self.cardinalities, [4], sets=1)
        embedding.weight.grad = torch.ones_like(embedding.weight)
        seen: list[Tensor] = []
        embedding.weight.register_hook(seen.append)  # type: ignore[no-untyped-call]
        loss = embedding(self.ids())[0].square().sum()
        (gradient,) = torch.autograd.grad(loss, embedding.weight, retain_graph=True)
        assert gradient.abs().sum() > 0
        torch.testing.assert_close(embedding.weight.grad, torch.ones_like(embedding.weight))
        loss.backward()
        torch.testing.assert_close(seen[-1], gradient)
        torch.testing.assert_close(embedding.weight.grad, gradient + 1)

    def test_hooks_are_called_where_the_gradient_is_kept_too(self) -> None:
        embedding = FusedEmbedding(self.cardinalities, [4], sets=1)
        embedding.start()
        seen: list[Tensor] = []
        hook = embedding.weight.register_post_accumulate_grad_hook(lambda weight: seen.append(weight.grad.clone()))  # type: ignore[no-untyped-call]
        embedding(self.ids())[0].square().sum().backward()
        hook.remove()
        assert len(seen) == 1
        torch.testing.assert_close(embedding.weight.grad, seen[0])
        embedding(self.ids())[0].square().sum().backward()
        torch.testing.assert_close(embedding.weight.grad, 2 * seen[0])

    def test_each_set_starts_xavier_uniform_over_its_block(self) -> None:
        torch.manual_seed(0)
        embedding = FusedEmbedding([500, 700], [8], sets=3)
        bound = (6 / (1200 + 8)) ** 0.5
        for block in torch.split(embedding.weight, 8, dim=1):
            assert 0.99 * bound < block.abs().amax().item() <= bound


@given(p=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_dropout_zeroes_a_share_p_and_keeps_the_mean(p: float, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.full((200, 199), 3.0)
    dropped = Dropout(p)(x)
    fraction = (dropped == 0).double().mean().item()
    assert abs(fraction - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 3 / (1 - p)), rtol=1e-4, atol=0)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x


class TestMultiEmbeddingModel:
    """The ME form of Section 5.1."""

    def test_one_set_is_the_plain_baseline(self) -> None:
        """With M = 1, the model is: crosses, then an MLP 400-400-1 with batch normalisation, ReLU and dropout."""
        torch.manual_seed(0)
        model = MultiEmbeddingModel([4, 5], model_config(embedding_size=3, hidden=7)).eval()
        ids_BN = torch.tensor([[0, 4], [3, 1]], dtype=torch.int32)
        (e_BNK,) = model.embedding(ids_BN)
        plain = nn.Sequential(*model.projections[0]["h"], *model.head.mlp[0], model.head.mlp[1])  # type: ignore[arg-type, index]
        twin = cross(model.interactions[0], e_BNK)["h"]
        torch.testing.assert_close(model(ids_BN), plain(twin).squeeze(1))
        kinds = [type(layer).__name__ for layer in plain]
        assert kinds[:4] == ["PaddedLinear", "BatchNorm1d", "ReLU", "Dropout"]
        assert [layer.out_features for layer in plain.modules() if isinstance(layer, nn.Linear)] == [7, 7, 1]

    def test_sets_are_averaged_before_the_tower(self) -> None:
        """M equal sets give the result of one."""
        torch.manual_seed(0)
        config = model_config(embedding_size=3, hidden=7)
        single = MultiEmbeddingModel([4, 5], config).eval()
        multi = MultiEmbeddingModel([4, 5], model_config(embedding_size=3, hidden=7, sets=3)).eval()
        give_every_set(multi, single)
        ids_BN = torch.tensor([[0, 4], [3, 1]], dtype=torch.int32)
        torch.testing.assert_close(multi(ids_BN), single(ids_BN))

    def test_parameter_count_on_criteo(self) -> None:
        """Counted by hand for DCNv2 at Criteo's shape, where embeddings hold over 92 % (Appendix A)."""
        with torch.device("meta"):
            model = MultiEmbeddingModel([27_692] * 38 + [27_704], model_config())
        width = 39 * 10
        crosses = 4 * (width * width + width)
        mlp = (width * 400 + 400) + 2 * 400 + (400 * 400 + 400) + 2 * 400 + (400 + 1)
        embeddings = 1_080_000 * 10
        total = sum(parameter.numel() for parameter in model.parameters())
        assert total == embeddings + crosses + mlp
        assert embeddings / total > 0.92

    def test_the_layout_names_parts_of_tensors(self) -> None:
        """Field by field and set by set."""
        model = MultiEmbeddingModel([4, 5], model_config(embedding_size=3, sets=2, cross_layers=3))
        state = model.state_dict()
        spans = {(key.field, key.set): (key.key, key.rows, key.columns) for key in model.layout.tables}
        assert spans == {
            (0, 0): ("embedding.weight", (0, 4), (0, 3)),
            (0, 1): ("embedding.weight", (0, 4), (3, 6)),
            (1, 0): ("embedding.weight", (4, 9), (0, 3)),
            (1, 1): ("embedding.weight", (4, 9), (3, 6)),
        }
        assert [(key.set, key.layer) for key in model.layout.maps] == [(m, n) for m in range(2) for n in range(3)]
        assert all(state[str(key.weight)].shape == (6, 6) for key in model.layout.maps)
