"""Each dropout drops what it says, in training only; penalties, constraints and stopping by hand-made numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from reference_trainer.recipe import CHOICES
from reference_trainer.regularizers import (
    CONSTRAINTS,
    DROPOUTS,
    PENALTIES,
    REGULARIZERS,
    DropConnect,
    EarlyStopping,
    GaussianDropout,
    SizeStandout,
    Standout,
    StochasticDepth,
    clip_gradients,
    decay_groups,
    l1,
    l2,
    max_norm,
    moments,
    quadrature,
    smooth,
)

RATES = (0.1, 0.5, 0.8)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def growing(units: int = 64, features: int = 32) -> nn.Linear:
    """A layer whose units have weights of ever larger norm."""
    layer = nn.Linear(features, units)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(units, features) * torch.linspace(0.1, 3.0, units)[:, None])
        layer.bias.zero_()
    return layer


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's."""
    ranks = torch.stack([values.argsort().argsort().double() for values in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def test_the_dropouts_are_those_of_the_recipe() -> None:
    assert tuple(DROPOUTS) == CHOICES["dropout_kind"]


@pytest.mark.parametrize(
    "registry", [DROPOUTS, PENALTIES, CONSTRAINTS, REGULARIZERS], ids=lambda parts: str(len(parts))
)
def test_every_part_says_what_it_is_and_where_it_is_from(registry: dict[str, object]) -> None:
    for part in registry.values():
        assert part.__doc__ is not None
        assert part.__doc__.partition("\n")[0].endswith(".")
        assert "Source: " in part.__doc__


@pytest.mark.parametrize("name", DROPOUTS)
def test_every_dropout_is_random_in_training_and_fixed_in_eval(name: str) -> None:
    module = DROPOUTS[name](nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), 0.5)
    x = torch.randn(4, 3, 5, 5)
    assert not torch.equal(module(x), module(x))
    module(x).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in module.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in module.parameters())
    module.eval()
    assert torch.equal(module(x), module(x))
    assert module(x).shape == (4, 8, 5, 5)


@pytest.mark.parametrize("name", [name for name in DROPOUTS if "standout" not in name])
@pytest.mark.parametrize("rate", RATES)
def test_every_dropout_keeps_the_mean_of_a_linear_signal(name: str, rate: float) -> None:
    layer = nn.Conv2d(8, 8, 1, bias=False)
    module = DROPOUTS[name](layer, nn.Identity(), rate)
    x = torch.randn(1, 8, 2, 2)
    with torch.no_grad():
        seen = torch.stack([module(x.expand(2000, -1, -1, -1)).mean(0) for _ in range(20)]).mean(0)
        expected = layer(x)[0]
    assert float((seen * expected).sum() / expected.square().sum()) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("name", DROPOUTS)
def test_every_dropout_does_nothing_at_rate_zero(name: str) -> None:
    layer = nn.Conv2d(3, 4, 1)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(DROPOUTS[name](layer, nn.ReLU(), 0.0)(x), layer(x).relu())


@pytest.mark.parametrize("name", ["dropconnect", "standout", "standout-notes", "gaussian"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan])
def test_a_rate_that_is_no_share_is_refused(name: str, rate: float) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and below 1"):
        DROPOUTS[name](nn.Linear(2, 2), nn.ReLU(), rate)


@pytest.mark.parametrize("rate", RATES)
def test_dropconnect_drops_single_weights_and_scales_the_rest(rate: float) -> None:
    layer = nn.Linear(100, 100)
    weight = layer.weight.detach().clone()
    seen = DropConnect(layer, nn.Identity(), rate)(torch.eye(100)).T - layer.bias[:, None]
    dropped = seen.abs() < 1e-6
    assert float(dropped.float().mean()) == pytest.approx(rate, abs=0.02)
    torch.testing.assert_close(seen[~dropped], weight[~dropped] / (1.0 - rate), atol=1e-5, rtol=1e-3)
    # edges, not neurons: no row and no column is gone
    assert dropped.all(dim=0).sum() == dropped.all(dim=1).sum() == 0
    assert torch.equal(layer.weight, weight)


@pytest.mark.parametrize("layer", [nn.Linear(8, 4), nn.Conv2d(8, 4, 1)], ids=["linear", "convolution"])
def test_dropconnect_has_a_mask_of_its_own_for_every_example(layer: nn.Module) -> None:
    x = torch.randn(1, 8).expand(500, -1)
    x = x if isinstance(layer, nn.Linear) else x[:, :, None, None]
    out = DropConnect(layer, nn.Identity(), 0.5)(x).flatten(1)
    assert len(out.unique(dim=0)) > 480
    assert float(torch.corrcoef(torch.stack([out[:-1, 0], out[1:, 0]]).detach())[0, 1]) == pytest.approx(0.0, abs=0.15)


def averaged(module: nn.Module, x: Tensor, draws: int) -> Tensor:
    """The mean over that many draws of what a module makes of each example in training."""
    module.train()
    with torch.no_grad():
        total = torch.stack(
            [module(x.repeat(200, *[1] * (x.dim() - 1))).unflatten(0, (200, -1)).mean(0) for _ in range(draws // 200)]
        )
    return total.mean(0)


def deviation(found: Tensor, sought: Tensor) -> float:
    """The mean distance, over the mean size of what is sought."""
    return float((found - sought).abs().sum() / sought.abs().sum())


@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ELU(), nn.Sigmoid()], ids=lambda each: type(each).__name__)
def test_dropconnect_in_eval_is_the_mean_over_masks_within_two_percent(rate: float, activation: nn.Module) -> None:
    """Wan et al., section 3.2; the mean network, which takes the mean of the weights, is far off with ReLUs."""
    module = DropConnect(nn.Linear(64, 32), activation, rate)
    x = torch.randn(4, 64)
    sought = averaged(module, x, 12_000)
    with torch.no_grad():
        found, mean_network = module.eval()(x), activation(module.layer(x))
    assert deviation(found, sought) < 0.02
    if isinstance(activation, nn.ReLU):
        assert deviation(mean_network, sought) > 5.0 * deviation(found, sought)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(16, 8, 3, padding=1), nn.Sequential(nn.Conv2d(16, 16, 3, groups=16, padding=1), nn.Conv2d(16, 8, 1))],
    ids=["convolution", "separable"],
)
def test_moments_are_those_of_the_masked_layer(layer: nn.Module) -> None:
    x = torch.randn(1, 16, 4, 4)
    with torch.no_grad():
        mean, variance = moments(layer, x, torch.zeros_like(x), 0.5 / 0.5)
        module = DropConnect(layer, nn.Identity(), 0.5)
        seen = torch.cat([module(x.repeat(200, 1, 1, 1)) for _ in range(50)])
    assert deviation(seen.mean(0), mean[0]) < 0.04  # of 10,000 draws
    assert float(seen.var(0).sum() / variance.sum()) == pytest.approx(1.0, abs=0.03)


def test_the_quadrature_averages_over_a_standard_normal() -> None:
    nodes, weights = (torch.tensor(each, dtype=torch.float64) for each in quadrature())
    assert float(weights.sum()) == pytest.approx(1.0)
    assert float((weights * nodes).sum()) == pytest.approx(0.0, abs=1e-9)
    assert float((weights * nodes.square()).sum()) == pytest.approx(1.0)
    assert float((weights * nodes.relu()).sum()) == pytest.approx(1.0 / math.sqrt(2.0 * math.pi), rel=0.02)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(6, 8), nn.Conv2d(6, 8, 3), nn.Sequential(nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 8, 1))],
    ids=["linear", "convolution", "separable"],
)
def test_dropconnect_gives_a_dropped_weight_no_gradient(layer: nn.Module) -> None:
    x = torch.rand(1, 6) + 0.1 if isinstance(layer, nn.Linear) else torch.rand(1, 6, 5, 5) + 0.1
    DropConnect(layer, nn.Identity(), 0.5)(x).sum().backward()
    for parameter in layer.parameters():
        if parameter.dim() >= 2:
            assert parameter.grad is not None
            assert 0.1 < (parameter.grad == 0).float().mean() < 0.9
        elif parameter is list(layer.parameters())[-1]:
            assert parameter.grad is not None
            assert (parameter.grad != 0).all()


def test_dropconnect_needs_weights() -> None:
    with pytest.raises(ValueError, match="ReLU has no weights"):
        DropConnect(nn.ReLU(), nn.Identity(), 0.5)


@pytest.mark.parametrize("rate", RATES)
def test_standout_keeps_by_the_papers_formula(rate: float) -> None:
    """Ba and Frey, equation 2: sigmoid(alpha * what the unit's own weights make of the input + beta)."""
    layer = growing()
    module = Standout(layer, nn.ReLU(), rate, alpha=0.7)
    x = torch.randn(3, 32)
    beta = math.log((1.0 - rate) / rate)
    sought = 1.0 / (1.0 + torch.exp(-(0.7 * (x @ layer.weight.T) + beta)))
    torch.testing.assert_close(module.keep_probability(layer(x)), sought, atol=1e-6, rtol=1e-5)
    kept = torch.stack([module(x.repeat(500, 1)).unflatten(0, (500, -1)) != 0 for _ in range(20)]).flatten(0, 1)
    active = layer(x) > 0.0  # a ReLU is 0 by itself elsewhere
    assert deviation(kept.float().mean(0)[active], sought[active]) < 0.02


def test_standout_keeps_what_is_strongly_excited() -> None:
    layer = growing()
    module = Standout(layer, nn.ReLU(), 0.5)
    preactivation = layer(torch.randn(50, 32))
    probability = module.keep_probability(preactivation)
    assert rank_correlation(probability.flatten(), preactivation.flatten()) > 0.999
    assert Standout(layer, nn.ReLU(), 0.5, alpha=0.0).keep_probability(preactivation).unique().tolist() == [0.5]
    notes = SizeStandout(layer, nn.ReLU(), 0.5).keep_probability(preactivation)
    assert rank_correlation(notes.flatten(), preactivation.abs().flatten()) < -0.9  # the notes' reading is the inverse


@pytest.mark.parametrize("made", [Standout, SizeStandout])
@pytest.mark.parametrize("rate", RATES)
def test_standout_in_eval_is_the_mean_over_masks_within_two_percent(made: type[Standout], rate: float) -> None:
    module = made(growing(units=16), nn.ReLU(), rate)
    x = torch.randn(4, 32)
    sought = averaged(module, x, 12_000)
    assert deviation(module.eval()(x), sought) < 0.02


@pytest.mark.parametrize("rate", RATES)
def test_the_notes_standout_drops_more_where_weights_are_large(rate: float) -> None:
    layer = growing()
    module = SizeStandout(layer, nn.Sigmoid(), rate)
    dropped = torch.stack([(module(torch.randn(500, 32)) == 0).float().mean(0) for _ in range(8)]).mean(0)
    assert rank_correlation(dropped, layer.weight.norm(dim=1)) > 0.9
    assert dropped[-16:].mean() > dropped[:16].mean() + 0.1 * min(1.0, 4 * rate * (1 - rate))


@pytest.mark.parametrize("rate", [0.02, *RATES, 0.95])
def test_the_notes_standout_holds_its_mean_rate_in_every_example(rate: float) -> None:
    layer = growing()
    probability = 1.0 - SizeStandout(layer, nn.ReLU(), rate).keep_probability(layer(torch.randn(50, 32)))
    torch.testing.assert_close(probability.mean(1), torch.full((50,), rate), atol=1e-3, rtol=1e-2)
    assert probability.min() >= 0.0
    assert probability.max() <= 1.0


@pytest.mark.parametrize("made", [Standout, SizeStandout])
def test_standout_in_eval_does_not_depend_on_the_other_examples(made: type[Standout]) -> None:
    module = made(growing(), nn.ReLU(), 0.5).eval()
    x = torch.randn(10, 32)
    torch.testing.assert_close(module(x)[:1], module(x[:1]))


@pytest.mark.parametrize("value", [0.0, 1e4], ids=["no signal", "large signal"])
def test_the_notes_standout_is_plain_dropout_where_all_units_are_equally_excited(value: float) -> None:
    probability = SizeStandout(nn.Linear(4, 4), nn.ReLU(), 0.3).keep_probability(torch.full((2, 5), value))
    torch.testing.assert_close(probability, torch.full((2, 5), 0.7))


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_stochastic_depth_leaves_whole_examples_out_and_keeps_the_mean(rate: float) -> None:
    module = StochasticDepth(rate)
    out = module(torch.ones(20_000, 3, 2, 2)).flatten(1)
    assert ((out == 0).all(1) | (out == out[:, :1]).all(1)).all()
    assert float((out[:, 0] == 0).float().mean()) == pytest.approx(rate, abs=0.02)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.04)
    assert torch.equal(module.eval()(out), out)


@pytest.mark.parametrize("rate", RATES)
def test_gaussian_dropout_has_mean_one_and_the_variance_of_a_bernoulli_mask(rate: float) -> None:
    noise = GaussianDropout(rate)(torch.ones(400_000))
    assert float(noise.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(noise.var()) == pytest.approx(rate / (1 - rate), rel=0.02)
    assert float(nn.Dropout(rate)(torch.ones(400_000)).var()) == pytest.approx(float(noise.var()), rel=0.03)
    assert (noise == 0).sum() == 0  # no neuron is ever fully disconnected


def test_spatial_dropout_drops_whole_maps() -> None:
    maps = DROPOUTS["spatial"](nn.Identity(), nn.Identity(), 0.3)(torch.ones(100, 20, 4, 4))
    per_map = maps.flatten(2)
    assert ((per_map == 0).all(2) | (per_map != 0).all(2)).all()
    assert float((maps == 0).float().mean()) == pytest.approx(0.3, abs=0.03)


def small_model() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.PReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))
        model[0].bias.fill_(100.0)
    return model


def test_penalties_by_hand() -> None:
    model = small_model()
    assert l1(model).item() == 6.5
    assert l2(model).item() == 14.25
    l1(model).backward()
    assert model[0].weight.grad.tolist() == [[1.0, -1.0], [1.0, 1.0]]
    assert all(parameter.grad is None for parameter in (model[0].bias, *model[1].parameters()))
    model.zero_grad()
    l2(model).backward()
    torch.testing.assert_close(model[0].weight.grad, 2.0 * model[0].weight.detach())


def test_l1_makes_weights_sparse_and_l2_small() -> None:
    x = torch.randn(200, 10)
    y = x[:, :1] * 2.0
    smallest = {}
    for name, penalty in PENALTIES.items():
        model = nn.Linear(10, 1)
        for _ in range(300):
            model.zero_grad()
            ((model(x) - y).square().mean() + 0.2 * penalty(model)).backward()
            with torch.no_grad():
                model.weight -= 0.05 * model.weight.grad
        weight = model.weight.detach().abs()
        assert 1.5 < weight[0, 0] < 1.95  # shrunk from 2
        smallest[name] = weight[0, 1:]
    assert smallest["l1"].max() < 0.02  # the size of a step, around zero


def test_only_weights_decay() -> None:
    model = small_model()
    decaying, spared = decay_groups(model, 0.1)
    assert [id(p) for p in decaying["params"]] == [id(model[0].weight)]
    assert len(spared["params"]) == 4
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert len(decay_groups(model, 0.0)) == 1
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.AdamW(decay_groups(model, 0.1), lr=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model[0].weight, before.pop("0.weight") * 0.95)
    for name, value in before.items():
        assert torch.equal(model.get_parameter(name), value), name


def test_max_norm_holds_after_a_step_and_leaves_smaller_rows_alone() -> None:
    model = nn.Sequential(growing(), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model(torch.randn(8, 32)).square().mean().backward()
    optimizer.step()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    CONSTRAINTS["max-norm"](model, 3.0)
    below = 0
    for old, new in zip(before, model.parameters(), strict=True):
        if new.dim() < 2:
            assert torch.equal(old, new)
            continue
        small = old.norm(dim=1) <= 3.0
        below += int(small.sum())
        assert torch.equal(old[small], new[small])
        torch.testing.assert_close(new[~small].norm(dim=1), torch.full((int((~small).sum()),), 3.0))
        torch.testing.assert_close(torch.cosine_similarity(old, new), torch.ones(len(old)))
    assert 0 < below < 67


@pytest.mark.parametrize(
    ("layer", "unit"),
    [
        (nn.Conv2d(4, 6, 3), 0),
        (nn.ConvTranspose2d(4, 6, 3), 1),
        (nn.LSTM(5, 6), 0),
        (nn.MultiheadAttention(6, 2), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_max_norm_knows_the_units_of_a_layer(layer: nn.Module, unit: int) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(7.0)
    max_norm(layer, 2.0)
    for parameter in layer.parameters():
        if parameter.dim() >= 2:
            norms = parameter.transpose(0, unit).flatten(1).norm(dim=1)
            torch.testing.assert_close(norms, torch.full_like(norms, 2.0))
        else:
            assert (parameter == 7.0).all()


def test_early_stopping_stops_at_the_right_epoch_and_restores_the_best() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    stopping = EarlyStopping(patience=3)
    losses = [1.0, 0.5, math.nan, 0.6, 0.4, 0.4, 0.41, math.inf, 0.1]
    for epoch, loss in enumerate(losses, start=1):
        with torch.no_grad():
            model[0].weight.fill_(epoch)
            model[1].running_mean.fill_(epoch)
        if stopping.update(epoch, loss, model):
            break
    assert epoch == 8  # 5 was the best; 6 only equals it
    assert (stopping.best_epoch, stopping.best) == (5, 0.4)
    stopping.restore(model)
    assert model[0].weight.item() == model[1].running_mean.item() == 5.0


def test_early_stopping_without_a_finite_loss_stops_and_changes_nothing() -> None:
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(patience=2)
    assert [stopping.update(epoch, math.nan, model) for epoch in (1, 2)] == [False, True]
    assert stopping.best_epoch is None
    before = model.weight.clone()
    stopping.restore(model)
    assert torch.equal(model.weight, before)


@given(st.lists(st.floats(0, 10) | st.just(math.nan), min_size=1, max_size=20), st.integers(1, 5))
def test_early_stopping_waits_for_its_patience_and_not_longer(losses: list[float], patience: int) -> None:
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(patience)
    for epoch, loss in enumerate(losses, start=1):
        stop = stopping.update(epoch, loss, model)
        seen = [value for value in losses[:epoch] if not math.isnan(value)]
        assert stopping.best == min(seen, default=None)
        assert stop == (epoch - (stopping.best_epoch or 0) >= patience)
        if stop:
            break


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.floats(0, 2), st.booleans())
def test_what_is_better_by_less_than_min_delta_does_not_count(values: list[float], least: float, higher: bool) -> None:
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(len(values) + 1, higher=higher, min_delta=least)
    best = values[0]
    for epoch, value in enumerate(values, start=1):
        stopping.update(epoch, value, model)
        gain = value - best if higher else best - value
        best = value if gain > least else best
        assert stopping.best == best


def test_a_metric_is_better_where_it_is_higher_and_the_last_weights_may_stay() -> None:
    for keep, left in ((True, 2.0), (False, 4.0)):
        model = nn.Linear(1, 1)
        stopping = EarlyStopping(2, higher=True, keep=keep)
        for epoch, accuracy in enumerate([0.5, 0.9, 0.8, 0.85], start=1):
            nn.init.constant_(model.weight, float(epoch))
            stopped = stopping.update(epoch, accuracy, model)
        assert stopped
        assert stopping.best_epoch == 2
        stopping.restore(model)
        assert model.weight.item() == left


@pytest.mark.parametrize("least", [-0.1, math.nan])
def test_a_min_delta_is_not_negative(least: float) -> None:
    with pytest.raises(ValueError, match="min_delta"):
        EarlyStopping(1, min_delta=least)


def test_early_stopping_needs_patience() -> None:
    with pytest.raises(ValueError, match="at least 1 epoch"):
        EarlyStopping(0)


@given(st.integers(2, 12), st.floats(0, 1), st.integers(0, 100))
def test_smoothed_targets_are_probabilities_with_the_same_winner(classes: int, amount: float, label: int) -> None:
    target = torch.eye(classes)[[label % classes]]
    out = smooth(target, amount)
    assert float(out.sum()) == pytest.approx(1.0, abs=1e-6)
    assert float(out[0, label % classes]) == pytest.approx(1.0 - amount + amount / classes, abs=1e-6)
    assert (out >= 0).all()
    torch.testing.assert_close(smooth(target, 0.0), target)


def test_clipping_returns_the_norm_before_and_keeps_the_direction() -> None:
    model = nn.Linear(2, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])
    assert float(clip_gradients(model, 10.0)) == 5.0
    assert model.weight.grad.tolist() == [[3.0, 0.0]]
    assert float(clip_gradients(model, 1.0)) == 5.0
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.0]]))
    torch.testing.assert_close(model.bias.grad, torch.tensor([0.8]))
