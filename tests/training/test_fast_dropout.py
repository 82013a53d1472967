"""Dropout with cheaper random numbers is dropout: the share, the scale, the gradient, the attention, the seed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from nertool.training.fast_dropout import QuickDropout, dropout  # noqa: E402


@pytest.mark.parametrize("share", [0.1, 0.5, 0.013])
@pytest.mark.parametrize("shape", [(1_000_003,), (101, 9901)])
def test_the_share_is_dropped_and_the_rest_is_scaled(share: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    found = dropout(torch.ones(shape), share)
    assert found.shape == shape
    assert sorted(found.unique().tolist()) == pytest.approx([0.0, 1 / (1 - share)])
    dropped = float((found == 0).double().mean())
    assert abs(dropped - share) < 5 * (share * (1 - share) / found.numel()) ** 0.5 + 2**-16


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(2)
    kept = (dropout(torch.ones(400_000), 0.3) > 0).double()
    for distance in (1, 2, 3, 4, 8):
        assert abs(float(torch.corrcoef(torch.stack([kept[:-distance], kept[distance:]]))[0, 1])) < 0.01


def test_the_gradient_goes_where_the_values_went() -> None:
    values = torch.ones(1000, requires_grad=True)
    found = dropout(values, 0.25)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None and torch.equal(values.grad, found.detach())


def test_modules_and_functions_draw_so_within_the_context_alone() -> None:
    module, values = torch.nn.Dropout(0.5), torch.ones(64)

    def drawn() -> torch.Tensor:
        torch.manual_seed(3)
        return module(values)  # type: ignore[no-any-return]

    torch.manual_seed(3)
    ours, theirs = dropout(values, 0.5), drawn()
    assert not torch.equal(ours, theirs)
    with QuickDropout():
        assert torch.equal(drawn(), ours)
        assert torch.equal(module.eval()(values), values)
        assert torch.equal(torch.nn.functional.dropout(values, 1.0), torch.zeros(64))
    assert torch.equal(module.train() and drawn(), theirs)


@pytest.mark.parametrize("mask", ["none", "added", "bool"])
def test_attention_is_what_it_is_defined_as(mask: str) -> None:
    """With a share that drops nothing the values are those of PyTorch; with one that drops, its mean is."""
    torch.manual_seed(4)
    query, key, value = (torch.randn(2, 3, 7, 8) for _ in range(3))
    seen = torch.rand(2, 1, 7, 7) > 0.3
    seen |= torch.eye(7).bool()
    added = torch.zeros(2, 1, 7, 7).masked_fill(~seen, -1e9)
    arguments = {"attn_mask": {"none": None, "added": added, "bool": seen}[mask]}
    attention = torch.nn.functional.scaled_dot_product_attention
    wanted = attention(query, key, value, **arguments)
    with QuickDropout():
        torch.testing.assert_close(attention(query, key, value, **arguments), wanted)
        torch.testing.assert_close(attention(query, key, value, dropout_p=1e-7, **arguments), wanted)
        mean = torch.stack([attention(query, key, value, dropout_p=0.2, **arguments) for _ in range(3000)]).mean(0)
        assert float((mean - wanted).abs().max()) < 0.15
        causal = attention(query, key, value, dropout_p=0.2, is_causal=True)  # left to PyTorch
    assert causal.shape == wanted.shape
