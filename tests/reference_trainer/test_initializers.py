"""Sound initializations carry the signal through twenty layers; the faults lose it, or let it explode."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reference_trainer.activations import ACTIVATIONS
from reference_trainer.initializers import GAINS, INITIALIZERS, SOUND, TOO_LARGE, initialize
from reference_trainer.recipe import CHOICES, Recipe

WIDTH, LAYERS = 256, 20


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@torch.no_grad()
def signal(initialization: str, activation: str, layers: int = LAYERS) -> list[float]:
    """Mean square of the activations after each of the layers; the input's is 1."""
    x = torch.randn(512, WIDTH)
    squares = []
    for _ in range(layers):
        weight = torch.empty(WIDTH, WIDTH)
        INITIALIZERS[initialization](weight, activation)
        x = ACTIVATIONS[activation]()(x @ weight.T)
        squares.append(float(x.square().mean()))
    return squares


def test_the_initializers_are_those_of_the_recipe() -> None:
    assert tuple(INITIALIZERS) == CHOICES["initialization"]
    assert set(GAINS) == {*CHOICES["activation"], "linear"}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer_says_what_it_is_and_where_it_is_from(name: str) -> None:
    doc = INITIALIZERS[name].__doc__
    assert doc is not None
    assert doc.partition("\n")[0].endswith(".")
    assert "Source: " in doc


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("activation", CHOICES["activation"])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (6, 4, 3, 3)])
def test_every_initializer_fills_every_weight(name: str, activation: str, shape: tuple[int, ...]) -> None:
    weight = torch.full(shape, math.nan)
    INITIALIZERS[name](weight, activation)
    assert weight.isfinite().all()
    assert (weight == 0).all() == (name == "zeros")


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        *[("kaiming", activation) for activation in ("relu", "leaky-relu", "prelu", "elu", "selu", "tanh")],
        *[("glorot", activation) for activation in ("relu", "prelu", "selu", "tanh")],
        *[("orthogonal", activation) for activation in ("relu", "prelu", "elu", "selu", "tanh")],
        ("lecun", "selu"),
    ],
)
def test_a_fitting_initialization_keeps_the_scale_of_the_signal(name: str, activation: str) -> None:
    squares = signal(name, activation)
    assert all(0.25 < square < 4.0 for square in squares)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_a_small_normal_signal_dies(activation: str) -> None:
    assert signal("small-normal", activation)[-1] < 1e-20


def test_a_too_large_signal_grows_a_hundredfold_in_power_per_layer() -> None:
    squares = signal("too-large", "relu", layers=8)
    growth = (squares[-1] / squares[0]) ** (1 / 7)
    assert growth == pytest.approx(TOO_LARGE**2, rel=0.3)


def test_a_too_large_signal_saturates_tanh() -> None:
    assert signal("too-large", "tanh")[-1] > 0.9


def test_zeros_give_no_signal() -> None:
    assert signal("zeros", "relu")[0] == 0.0


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_standard_deviations_are_the_papers(activation: str) -> None:
    weight = torch.empty(200, 50, 3, 3)
    fan_in, fan_out, gain = 50 * 9, 200 * 9, GAINS[activation]
    expected = {
        "kaiming": gain / math.sqrt(fan_in),
        "glorot": gain * math.sqrt(2.0 / (fan_in + fan_out)),
        "lecun": 1.0 / math.sqrt(fan_in),
        "small-normal": 0.01,
        "too-large": 10.0 * gain / math.sqrt(fan_in),
    }
    for name, std in expected.items():
        INITIALIZERS[name](weight, activation)
        assert float(weight.std()) == pytest.approx(std, rel=0.02), name
        assert float(weight.mean()) == pytest.approx(0.0, abs=0.02 * std), name  # half positive, half negative


def test_orthogonal_rows_are_at_right_angles() -> None:
    weight = torch.empty(8, 4, 3, 3)
    INITIALIZERS["orthogonal"](weight, "linear")
    rows = weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8), atol=1e-5, rtol=0.0)


class Everything(nn.Module):
    """One of each layer that models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(8, 8)
        self.convolution = nn.Conv2d(8, 16, 3)
        self.transposed = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.normalization = nn.BatchNorm2d(8)
        self.activation = nn.PReLU()
        self.recurrent = nn.LSTM(8, 8, num_layers=2)
        self.attention = nn.TransformerEncoderLayer(8, 2, 64)
        self.positions = nn.Parameter(torch.randn(4, 8))
        self.classifier = nn.Linear(64, 512)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initialize_leaves_alone_what_it_says(name: str) -> None:
    model = Everything()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    initialize(model, Recipe(initialization=name))
    spared = ["normalization", "activation", "positions", "attention.norm"]
    if name in SOUND:
        spared += ["embedding", "attention.self_attn"]
    for key, value in model.state_dict().items():
        kept = torch.equal(value, before[key])
        if key.startswith(tuple(spared)):
            assert kept, key
        elif value.dim() >= 2:
            assert not kept, key


@pytest.mark.parametrize("bias", [0.0, -0.5])
def test_initialize_sets_biases(bias: float) -> None:
    model = Everything()
    initialize(model, Recipe(bias=bias))
    for layer in (model.convolution, model.transposed, model.attention.linear1, model.classifier):
        assert (layer.bias == bias).all()
    total = model.recurrent.bias_ih_l1 + model.recurrent.bias_hh_l1
    assert (total[8:16] == bias + 1.0).all()  # the forget gate starts open
    assert (total[:8] == bias).all()
    assert (total[16:] == bias).all()


def test_initialize_uses_the_gain_of_the_activation_but_for_the_last_layer() -> None:
    model = Everything()
    initialize(model, Recipe(activation="relu"))
    assert model.attention.linear2.weight.std().item() == pytest.approx(math.sqrt(2.0 / 64), rel=0.15)
    assert model.classifier.weight.std().item() == pytest.approx(math.sqrt(1.0 / 64), rel=0.05)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_weights_are_orthogonal_gate_by_gate(kind: type[nn.RNNBase]) -> None:
    layer = kind(8, 16)
    initialize(layer, Recipe(initialization="kaiming"))
    for gate in layer.weight_hh_l0.split(16):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0.0)
    initialize(layer, Recipe(initialization="zeros"))
    assert all((parameter == 0).all() for parameter in layer.parameters())


@pytest.mark.parametrize("name", ["kaiming", "lecun"])
def test_transposed_convolutions_count_the_inputs_of_an_output(name: str) -> None:
    layer = nn.ConvTranspose2d(64, 4, 3, bias=False)
    initialize(layer, Recipe(initialization=name, activation="selu"))
    inside = layer(torch.randn(32, 64, 12, 12))[:, :, 4:-4, 4:-4]
    assert 0.7 < inside.square().mean().item() < 1.4


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (4, 2), (3, 1)])
def test_transposed_convolutions_keep_the_scale_of_the_signal(name: str, kernel: int, stride: int) -> None:
    layer = nn.ConvTranspose2d(32, 32, kernel, stride, bias=False)
    initialize(layer, Recipe(initialization=name, activation="selu"))
    inside = layer(torch.randn(32, 32, 12, 12))[:, :, 4:-4, 4:-4]
    assert 0.7 < inside.square().mean().item() < 1.4


def test_initialize_fills_half_precision() -> None:
    layer = nn.LSTM(4, 4).half()
    initialize(layer, Recipe(initialization="orthogonal"))
    assert layer.weight_hh_l0.dtype is torch.float16
    assert layer.weight_hh_l0.isfinite().all()


def test_the_same_seed_gives_the_same_weights() -> None:
    models = [Everything(), Everything()]
    for model in models:
        torch.manual_seed(5)
        initialize(model, Recipe(initialization="orthogonal"))
    assert torch.equal(models[0].convolution.weight, models[1].convolution.weight)
