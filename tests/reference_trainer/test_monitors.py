"""Each monitor measures what it says, and leaves the model as it was."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from reference_trainer.monitors import (
    ACTIVATIONS,
    MONITORS,
    Throughput,
    Updates,
    activations,
    class_accuracies,
    dead_relu_share,
    gradient_norm,
)


class Block(nn.Module):
    """A residual block that adds and activates in place, as many do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        out += x
        return self.activation(out)


class Recurrent(nn.Module):
    """A recurrent classifier: an LSTM gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def mlp(activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 16), activation(), nn.Dropout(0.5), nn.Linear(16, 3))


def cnn() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), Block(4), nn.Flatten(), nn.Linear(144, 10))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


# --- gradient norm ----------------------------------------------------------------------------------------------------


def test_gradient_norm_is_that_of_all_gradients_as_one_vector() -> None:
    model = mlp()
    model(torch.randn(5, 4)).square().sum().backward()
    whole = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert gradient_norm(model) == pytest.approx(float(whole.norm()), rel=1e-6)
    clipped = nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    assert float(clipped) == pytest.approx(float(whole.norm()), rel=1e-6)
    assert gradient_norm(model) == pytest.approx(0.25, rel=1e-4)


def test_gradient_norm_without_gradients_is_zero() -> None:
    assert gradient_norm(mlp()) == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradient_norm_keeps_what_is_not_finite(value: float) -> None:
    model = mlp()
    model(torch.randn(5, 4)).sum().backward()
    assert model[0].bias.grad is not None
    model[0].bias.grad[3] = value
    assert gradient_norm(model) == pytest.approx(value, nan_ok=True)


def test_gradient_norm_of_half_precision_does_not_overflow() -> None:
    model = nn.Linear(10_000, 1, bias=False).half()
    model.weight.grad = torch.full_like(model.weight, 1000.0)
    assert gradient_norm(model) == pytest.approx(100_000.0, rel=1e-4)  # float16 ends at 65504


# --- updates ----------------------------------------------------------------------------------------------------------


def test_ratio_of_an_update_to_the_weights_before_it() -> None:
    model = cnn()
    weights = [p for p in model.parameters() if p.dim() >= 2]
    updates = Updates(model)
    updates.before()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.99) if p.dim() >= 2 else p.add_(100.0)  # what has one dimension does not count
    assert updates.ratio() == pytest.approx(0.01, rel=1e-4)
    assert len(weights) == 3


def test_ratio_of_a_step_of_sgd_is_learning_rate_times_gradient_over_weights() -> None:
    model = nn.Linear(7, 5, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(9, 7)).square().mean().backward()
    wanted = 0.1 * gradient_norm(model) / float(model.weight.detach().norm())
    updates = Updates(model)
    updates.before()
    optimizer.step()
    assert updates.ratio() == pytest.approx(wanted, rel=1e-4)


def test_ratio_at_the_ends_of_its_range() -> None:
    model = nn.Linear(3, 3)
    nn.init.zeros_(model.weight)
    updates = Updates(model)
    with pytest.raises(RuntimeError, match=r"call before\(\)"):
        updates.ratio()
    updates.before()
    assert updates.ratio() == 0.0
    nn.init.ones_(model.weight)
    assert updates.ratio() == math.inf
    nn.init.constant_(model.weight, math.nan)
    updates.before()
    assert math.isnan(updates.ratio())


# --- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation_is_seen_with_its_output(kind: type[nn.Module]) -> None:
    model, x = mlp(kind), torch.randn(6, 4)
    found = activations(model, x)
    assert list(found) == ["1"]
    model.eval()
    torch.testing.assert_close(found["1"], model[1](model[0](x)).detach())


def test_blocks_and_stages_are_seen_once_and_as_they_were() -> None:
    model, x = cnn(), torch.randn(5, 1, 8, 8)
    found = activations(model, x)
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "2": (5, 144),
        "3.body": (5, 144),
        "3.activation": (5, 144),  # what the block gives is this, and is not there a second time
    }
    model.eval()
    with torch.no_grad():
        stem = model[2](model[1](model[0](x)))
        torch.testing.assert_close(found["2"], stem.flatten(1))
        torch.testing.assert_close(found["3.body"], model[3].body(stem).flatten(1))  # before it was changed in place
        torch.testing.assert_close(found["3.activation"], model[3](stem).flatten(1))


def test_a_module_that_is_called_again_is_counted() -> None:
    shared = nn.Tanh()
    found = activations(nn.Sequential(nn.Linear(4, 5), shared, nn.Linear(5, 6), shared), torch.randn(3, 4))
    assert {name: tuple(values.shape) for name, values in found.items()} == {"1": (3, 5), "1:2": (3, 6)}


def test_a_model_without_blocks_gives_its_children() -> None:
    found = activations(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 1), nn.Flatten(0)), torch.randn(3, 4))
    assert {name: tuple(values.shape) for name, values in found.items()} == {"0": (3, 5), "1": (3, 1), "2": (3, 1)}


def test_a_recurrent_layer_gives_its_sequence() -> None:
    found = activations(Recurrent(), torch.randn(7, 5, 8))
    assert tuple(found["lstm"].shape) == (7, 30)


def test_a_transformer_is_seen_layer_by_layer() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.ReLU(), batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    found = activations(model, torch.randn(3, 5, 8))
    assert {"layers.0", "layers.0.self_attn", "layers.1"} <= set(found)
    assert tuple(found["layers.1"].shape) == (3, 40)


def leaves_as_it_was(model: nn.Module, x: Tensor) -> None:
    """A monitor with a forward pass must change nothing: state, modes, hooks, gradients, random numbers."""
    model.train()
    next(iter(model.children())).eval()
    modes = [m.training for m in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    assert not any(values.requires_grad for values in activations(model, x).values())
    dead_relu_share(model, x)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled()


def test_the_model_is_left_as_it_was() -> None:
    leaves_as_it_was(cnn(), torch.randn(5, 1, 8, 8))
    leaves_as_it_was(mlp(), torch.randn(5, 4))


def test_the_model_is_left_as_it_was_after_an_error() -> None:
    model = mlp()
    with pytest.raises(RuntimeError):
        activations(model, torch.randn(5, 3))
    assert all(m.training and not m._forward_hooks for m in model.modules())


# --- dead ReLUs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [0, 3, 8])
def test_dead_units_of_a_layer(dead: int) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    nn.init.constant_(model[0].bias, 1e3)
    with torch.no_grad():
        model[0].bias[:dead] = -1e6
    assert dead_relu_share(model, torch.randn(20, 4)) == dead / 8


def test_dead_channels_of_maps_and_units_of_sequences() -> None:
    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.activation = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.activation(x)

    maps = -torch.ones(6, 4, 3, 3)
    maps[5, 2, 1, 1] = 1.0  # alive: one example, one place
    assert dead_relu_share(Given(), maps) == 0.75
    rows = -torch.ones(6, 7, 10)
    rows[0, 3, :2] = 1.0
    assert dead_relu_share(Given(), rows) == pytest.approx(0.8)


def test_all_relus_count_by_their_units() -> None:
    model = nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 10), nn.ReLU())
    nn.init.constant_(model[0].bias, -1e6)
    nn.init.constant_(model[2].bias, 1.0)
    assert dead_relu_share(model, torch.randn(20, 4)) == pytest.approx(0.75)


def test_no_relu_no_share() -> None:
    assert dead_relu_share(mlp(nn.LeakyReLU), torch.randn(5, 4)) is None


# --- accuracies and throughput ----------------------------------------------------------------------------------------


def test_accuracy_of_each_class() -> None:
    outputs = torch.eye(4)[[0, 0, 1, 2, 0]]
    found = class_accuracies(outputs, torch.tensor([0, 0, 0, 2, 2]), 4)
    assert found == pytest.approx({0: 2 / 3, 2: 0.5})  # the classes 1 and 3 have no examples


@given(st.integers(1, 40), st.integers(2, 10), st.integers(0, 1000))
def test_accuracies_of_the_classes_weigh_up_to_the_accuracy(n: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(n, classes, generator=generator)
    targets = torch.randint(classes, (n,), generator=generator)
    found = class_accuracies(outputs, targets, classes)
    counts = torch.bincount(targets, minlength=classes).tolist()
    assert list(found) == [k for k in range(classes) if counts[k]]
    whole = sum(share * counts[k] for k, share in found.items()) / n
    assert whole == pytest.approx(float((outputs.argmax(1) == targets).double().mean()))


def test_throughput_counts_from_the_last_call() -> None:
    now = 10.0
    throughput = Throughput(lambda: now)
    throughput.add(60)
    throughput.add(40)
    now = 12.0
    assert throughput.rate() == 50.0
    throughput.add(100)
    now = 12.5
    assert throughput.rate() == 200.0
    throughput.add(8)
    now = 20.0
    throughput.skip()
    throughput.add(30)
    now = 21.0
    assert throughput.rate() == 30.0
    assert throughput.rate() == 0.0


def test_throughput_by_the_wall_clock() -> None:
    throughput = Throughput()
    throughput.add(1)
    assert 0.0 < throughput.rate() < math.inf


def test_every_monitor_is_registered_by_what_it_measures() -> None:
    assert set(MONITORS.values()) == {
        gradient_norm, Updates, activations, dead_relu_share, class_accuracies, Throughput
    }  # fmt: skip
