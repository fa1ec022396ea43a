"""All interactions as published, pair by pair, with the parameters of our modules.

The interactions compute the same faster. Tests compare the two, and benchmarks measure the difference. Each
function takes an interaction and the embeddings of a batch, and returns its streams.

Shapes: B batch, N fields, K embedding size, C columns of one set, P maps of the layer before.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

Formula = Callable[[Any, Tensor], dict[str, Tensor]]


def cross(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """For every j, sum n_ij W_{i->j} x_i over i."""
    N, K = network.n_fields, network.K
    x_BNK = e_BNC
    for number, layer in enumerate(network.layers):
        W_NKNK, b_NK = layer.weight.view(N, K, N, K), layer.bias.view(N, K)
        n_NN = torch.ones(N, N, dtype=W_NKNK.dtype) if network.factors is None else network.factors[number]
        projected = [
            sum((n_NN[j, i] * x_BNK[:, i] @ W_NKNK[j, :, i].T for i in range(N)), b_NK[j]) for j in range(N)
        ]
        x_BNK = e_BNC * torch.stack(projected, dim=1) + x_BNK
    return {"h": x_BNK.flatten(1)}


def usual_cross(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Compute the cross layers in their usual form."""
    x_0 = x = e_BNC.flatten(1)
    for layer in network.layers:
        x = x_0 * layer(x) + x
    return {"h": x}


def dnn(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Concatenate the fields."""
    return {"h": torch.cat([e_BNC[:, i] for i in range(network.n_fields)], dim=1)}


def ipnn(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Gather both embeddings of every pair."""
    i, j = zip(*combinations(range(network.n_fields), 2), strict=True) if network.n_fields > 1 else ((), ())
    products = (e_BNC[:, list(i)] * e_BNC[:, list(j)]).sum(2)
    return {"h": torch.cat([e_BNC.flatten(1), products], dim=1) if network.with_embeddings else products}


def nfwfm(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Form the (B, N, N, K) products."""
    pairs_BNNK = e_BNC.unsqueeze(2) * e_BNC.unsqueeze(1)
    return {"h": network.normalise((pairs_BNNK * network.r_NN[:, :, None]).sum((1, 2)))}


def fm(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Sum over pairs."""
    pairs = combinations(range(network.n_fields), 2)
    products = ((e_BNC[:, i] * e_BNC[:, j]).sum(1, keepdim=True) for i, j in pairs)
    return {"logit": sum(products, e_BNC.new_zeros(len(e_BNC), 1))}


def ffm(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Sum over pairs, each with the two sub-embeddings that are meant for it."""
    K = network.K

    def sub(i: int, j: int) -> Tensor:
        part = j if j < i else j - 1
        return e_BNC[:, i, part * K : (part + 1) * K]

    pairs = combinations(range(network.n_fields), 2)
    products = ((sub(i, j) * sub(j, i)).sum(1, keepdim=True) for i, j in pairs)
    return {"logit": sum(products, e_BNC.new_zeros(len(e_BNC), 1))}


def usual_ffm(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Compute FFM in its usual form: look up all fields for every target field, and slice pair by pair."""
    N = network.n_fields
    parts = e_BNC.view(*e_BNC.shape[:2], N - 1, network.K).unbind(2)
    products = [parts[j - 1][:, i] * parts[i][:, j] for i, j in combinations(range(N), 2)]
    return {"logit": torch.stack(products, dim=1).sum((1, 2)).unsqueeze(1)}


def xdeepfm(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Form the (B, P N, K) products of every CIN layer."""
    x_BPK, sums = e_BNC, []
    for layer in network.layers:
        products_BPNK = x_BPK.unsqueeze(2) * e_BNC.unsqueeze(1)
        x_BPK = torch.relu(
            torch.einsum("hq,bqk->bhk", layer.weight, products_BPNK.flatten(1, 2)) + layer.bias[:, None]
        )
        sums.append(x_BPK.sum(2))
    return {"deep": e_BNC.flatten(1), "explicit": torch.cat(sums, dim=1)}


def autoint(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Compute the attention head by head."""
    x_BNI = e_BNC
    for layer in network.layers:
        query, key, value, residual = layer.all_four.weight.view(4, layer.heads, -1, x_BNI.shape[2])
        heads = []
        for head in range(layer.heads):
            scores_BNN = (x_BNI @ query[head].T) @ (x_BNI @ key[head].T).mT
            attended = torch.softmax(scores_BNN, dim=2) @ (x_BNI @ value[head].T)
            heads.append(attended + x_BNI @ residual[head].T)
        x_BNI = torch.relu(layer.normalise(torch.cat(heads, dim=2)))
    return {"deep": e_BNC.flatten(1), "explicit": x_BNI.flatten(1)}


def finalmlp(network: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Gate the embeddings for each stream."""
    e = e_BNC.flatten(1)
    gates = [torch.zeros_like(e[0])] * 2 if network.gates is None else network.gates
    return {
        stream: e * 2 / (1 + torch.exp(-gate)) for stream, gate in zip(("first", "second"), gates, strict=True)
    }


FORMULAS: dict[str, Formula] = {
    "autoint": autoint,
    "dcnv2": cross,
    "dnn": dnn,
    "ffm": ffm,
    "finalmlp": finalmlp,
    "fm": fm,
    "ipnn": ipnn,
    "nfwfm": nfwfm,
    "xdeepfm": xdeepfm,
}
"""Formula of every model."""
