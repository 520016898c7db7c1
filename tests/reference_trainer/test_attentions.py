"""What a step may see is what it sees, and positions are those of the papers' formulas."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from reference_trainer.attentions import ATTENTIONS, PADDING, POSITIONS, encoder_layer, rotated, sinusoids
from reference_trainer.data import TASKS, UNTOLD
from reference_trainer.models import build
from reference_trainer.recipe import CHOICES, Recipe
from reference_trainer.train import train

STEPS, LETTERS = 12, 20


def decoder(positions: str = "learned", *, stable_logits: bool = False) -> nn.Module:
    torch.manual_seed(0)
    recipe = Recipe(task="characters", positions=positions)
    if stable_logits:
        object.__setattr__(recipe, "stable_logits", True)
    return build(recipe, (STEPS,), LETTERS).eval()


def text(rows: int = 3) -> Tensor:
    return torch.randint(1, LETTERS, (rows, STEPS), generator=torch.Generator().manual_seed(1))


def test_attentions_and_positions_are_those_of_the_recipe() -> None:
    assert tuple(ATTENTIONS) == CHOICES["attention"]
    assert tuple(POSITIONS) == CHOICES["positions"]


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("stable_logits", [False, True])
def test_no_step_of_a_decoder_sees_what_comes_after_it(positions: str, stable_logits: bool) -> None:
    module, one = decoder(positions, stable_logits=stable_logits), text()
    with torch.no_grad():
        plain = module(one)
        for step in range(1, STEPS):
            other = one.clone()
            other[:, step:] = 1 + (other[:, step:] % (LETTERS - 1))
            changed = module(other)
            torch.testing.assert_close(changed[:, :, :step], plain[:, :, :step], atol=1e-5, rtol=1e-4)
            assert not torch.allclose(changed[:, :, step], plain[:, :, step], atol=1e-3)


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_is_not_seen(positions: str) -> None:
    """A short line comes out the same whatever it is padded beside, and as it does alone."""
    module, lines = decoder(positions), text()
    lines[:, 7:] = PADDING
    with torch.no_grad():
        together = module(lines)[:, :, :7]
        full = text()
        full[0] = lines[0]
        torch.testing.assert_close(module(full)[:1, :, :7], together[:1], atol=1e-5, rtol=1e-4)


def test_full_attention_sees_every_step_and_causal_those_before() -> None:
    for name, sees in (("full", True), ("causal", False)):
        torch.manual_seed(0)
        layer = encoder_layer(16, Recipe(model="transformer")).eval()
        x = torch.randn(1, 6, 16, requires_grad=True)
        layer(x, src_mask=ATTENTIONS[name](6, x.device))[0, 2, 0].backward()
        assert x.grad is not None
        assert (x.grad[0].abs().sum(dim=1) > 1e-9).tolist() == [True, True, True, sees, sees, sees]


def test_sinusoids_are_those_of_the_formula() -> None:
    """PE(p, 2i) = sin(p / 10000^(2i / d)), PE(p, 2i + 1) = cos(p / 10000^(2i / d))."""
    found = sinusoids(20, 8)
    for place in (0, 1, 7, 19):
        for pair in range(4):
            angle = place / 10000 ** (2 * pair / 8)
            assert found[place, 2 * pair : 2 * pair + 2].tolist() == pytest.approx(
                [math.sin(angle), math.cos(angle)], abs=1e-6
            )
    turned = found[3] @ found[8], found[10] @ found[15]
    assert float(turned[0]) == pytest.approx(float(turned[1]), rel=1e-5)  # products tell the distance alone


def test_rotated_products_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(16), torch.randn(16)
    queries, keys = rotated(query.expand(12, -1)), rotated(key.expand(12, -1))
    products = queries @ keys.T
    for distance in range(-5, 6):
        assert float(products.diagonal(distance).std()) < 1e-5
    assert float(products[0].std()) > 0.1
    torch.testing.assert_close(queries.norm(dim=1), query.norm().expand(12))
    assert torch.equal(queries[0], query)


@pytest.mark.parametrize(
    ("positions", "ordered"), [("learned", True), ("sinusoidal", True), ("rotary", True), ("none", False)]
)
def test_without_positions_a_sequence_is_a_set(positions: str, ordered: bool) -> None:
    torch.manual_seed(0)
    module = build(Recipe(model="transformer", positions=positions), (8, 8), 10).eval()
    with torch.no_grad():
        for parameter in module.positions.parameters():
            nn.init.normal_(parameter)
        x = torch.randn(4, 8, 8)
        assert torch.allclose(module(x), module(x[:, torch.randperm(8)]), atol=1e-4) == (positions == "none")


def test_a_language_model_tells_characters_better_than_counts_of_pairs() -> None:
    """Perplexity on held-out lines, against that of characters and of pairs of them, smoothed by one."""
    recipe = Recipe(task="characters", epochs=6, scheduler="warmup-cosine", learning_rate=5e-3)
    data = TASKS["characters"](recipe)
    told = data.y != UNTOLD
    pairs = Counter(zip(data.x.long()[told].tolist(), data.y[told].tolist(), strict=True))
    firsts, seconds = Counter(), Counter()
    for (first, second), count in pairs.items():
        firsts[first] += count
        seconds[second] += count
    held = data.val_y != UNTOLD
    lines = list(zip(data.val_x.long()[held].tolist(), data.val_y[held].tolist(), strict=True))
    total = sum(seconds.values())
    alone = math.exp(-sum(math.log((1 + seconds[b]) / (total + data.outputs)) for _, b in lines) / len(lines))
    paired = math.exp(-sum(math.log((1 + pairs[a, b]) / (firsts[a] + data.outputs)) for a, b in lines) / len(lines))
    found = train(recipe).rows[-1]["val_perplexity"]
    assert found < 0.75 * alone
    assert found < 1.02 * paired
