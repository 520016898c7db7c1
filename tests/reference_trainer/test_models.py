from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from reference_trainer.blocks import AtrousPyramid, SqueezeExcite
from reference_trainer.models import DENSE, MODELS, STEMMED, build
from reference_trainer.recipe import BLOCKS, CHOICES, CONVOLUTIONAL, MODEL_TASKS, Recipe, RecipeError
from reference_trainer.regularizers import StochasticDepth

SHAPES = {  # kind -> shape of an example, outputs, shape of what the model makes of it
    "classification": ((1, 8, 8), 10, (10,)),
    "language-model": ((32,), 40, (40, 32)),
    "segmentation": ((1, 16, 16), 1, (1, 16, 16)),
    "super-resolution": ((1, 4, 4), 1, (1, 8, 8)),
    "generation": ((1, 8, 8), 1, (1, 8, 8)),
    "regression": ((10,), 1, (1,)),
}
SIZED = [name for name in MODELS if name != "linear"]


def shapes(recipe: Recipe) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    inputs, outputs, made = SHAPES[recipe.kind]
    return (8, 8) if recipe.task == "digits-rows" else inputs, outputs, made


def model(name: str, **choices: Any) -> nn.Module:
    """The model of that name, always with the same weights."""
    torch.manual_seed(0)
    recipe = Recipe(model=name, **choices)
    return build(recipe, *shapes(recipe)[:2])


def noise(module: nn.Module, name: str, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    shape = (module.latent,) if name == "gan" else shapes(Recipe(model=name))[0]
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def digits(count: int = 64) -> tuple[Tensor, Tensor]:
    """Images of mean 0 and standard deviation 1, and their classes."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images[:count], dtype=torch.float32).reshape(-1, 1, 8, 8)
    return (x - x.mean()) / x.std(), torch.tensor(labels[:count])


def test_the_recipe_names_every_model_in_order() -> None:
    assert tuple(MODELS) == tuple(MODEL_TASKS) == CHOICES["model"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("choices", [{}, {"normalization": "none", "activation": "tanh"}, {"dropout": 0.3}], ids=str)
def test_a_model_makes_the_shape_of_its_task(name: str, choices: dict[str, Any]) -> None:
    for task in MODEL_TASKS[name]:
        recipe = Recipe(model=name, task=task, **choices)
        inputs, outputs, made = shapes(recipe)
        module = build(recipe, inputs, outputs)
        shape = (module.latent,) if name == "gan" else inputs
        x = torch.randint(outputs, (3, *shape)) if recipe.kind == "language-model" else torch.randn(3, *shape)
        assert module(x).shape == (3, *made)


@pytest.mark.parametrize("name", SIZED)
def test_width_and_depth_are_those_of_the_recipe(name: str) -> None:
    standard = parameters(model(name))
    narrow, deep = parameters(model(name, width=4)), parameters(model(name, depth=4 if name == "efficientnet" else 3))
    assert narrow < standard < deep
    module = model(name, width=1, depth=1)
    assert torch.isfinite(module(noise(module, name, 4))).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_makes_the_same_model(name: str) -> None:
    one, other = model(name, dropout=0.2), model(name, dropout=0.2)
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)
    x = noise(one, name, 4)
    outputs = []
    for module in (one, other):
        torch.manual_seed(5)
        outputs.append(module(x))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_model_can_be_trained_in_half_precision(name: str, dtype: torch.dtype) -> None:
    module = model(name, width=4, depth=1, dropout=0.1).to(dtype)
    out = module(noise(module, name, 4, dtype))
    assert out.dtype == dtype
    out.float().square().mean().backward()
    parts = module.generator if name == "gan" else module
    assert all(parameter.grad is not None and parameter.grad.dtype == dtype for parameter in parts.parameters())
    with torch.no_grad():
        assert module.eval()(noise(module, name, 4, dtype)).dtype == dtype


@pytest.mark.parametrize("name", [name for name in MODELS if name != "gan"])
def test_the_classifier_is_the_last_layer(name: str) -> None:
    module = model(name)
    called = []
    for part in module.modules():
        if not list(part.children()) and list(part.parameters(recurse=False)):
            part.register_forward_hook(lambda part, inputs, out: called.append(part))
    module(noise(module, name, 2))
    assert called[-1] is module.classifier
    assert parameters(module.classifier) > 0
    assert (parameters(module.classifier) < parameters(module)) == (name != "linear")


def task_of(name: str) -> tuple[Tensor, Tensor, nn.Module]:
    """A small batch of the model's task, with its loss."""
    x, labels = digits()
    if Recipe(model=name).task == "digits-rows":
        return x.squeeze(1), labels, nn.CrossEntropyLoss()
    if name in ("unet", "encoder-decoder", "deeplab"):
        field = functional.pad(x, (4, 4, 4, 4), value=x.min().item())
        return field, (field > 0.5).float(), nn.BCEWithLogitsLoss()
    if name == "upscaler":
        return functional.avg_pool2d(x, 2), x, nn.MSELoss()
    return x, labels, nn.CrossEntropyLoss()


def losses(module: nn.Module, x: Tensor, y: Tensor, loss: nn.Module, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    seen = []
    for _ in range(steps):
        value = loss(module(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        seen.append(value.item())
    return seen


@pytest.mark.parametrize("name", [name for name in MODELS if name != "gan"])
def test_a_model_learns_a_small_batch_by_heart(name: str) -> None:
    seen = losses(model(name), *task_of(name), steps=40)
    assert seen[-1] < 0.5 * seen[0]


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_a_model_of_tables_learns_them(name: str) -> None:
    table, progress = load_diabetes(return_X_y=True)
    x, y = (torch.tensor(part[:64], dtype=torch.float32).reshape(64, -1) for part in (table, progress))
    x, y = (x - x.mean(dim=0)) / x.std(dim=0), (y - y.mean()) / y.std()
    torch.manual_seed(0)
    module = build(Recipe(model=name, task="diabetes"), (10,), 1)
    seen = losses(module, x, y, nn.MSELoss(), steps=60)
    assert seen[-1] < 0.7 * seen[0]


def test_the_models_named_after_a_block_are_made_of_it() -> None:
    for name, block in BLOCKS.items():
        assert Recipe(model=name).block == block
        assert (hasattr(model(name), "stem")) == (block in STEMMED)
        if name != "efficientnet":
            same = model("cnn", block=block, width={"inception": 32, "bottleneck-resnet": 32}.get(name))
            assert [key for key, _ in same.named_parameters()] == [key for key, _ in model(name).named_parameters()]
            assert parameters(same) == parameters(model(name))
    assert model("efficientnet").widening[0].out_channels == 2 * model("efficientnet").widening[0].in_channels


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("field", ["convolution", "pooling", "head", "padding"])
def test_convolutional_models_take_every_part(name: str, field: str) -> None:
    for choice in CHOICES[field]:
        depth = 1 if field == "padding" else 2  # two stages of valid convolutions are too many for 8x8 pixels
        module = model(name, **{field: choice}, width=8, depth=depth)
        assert module(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_pools_are_between_the_stages() -> None:
    module = model("cnn", depth=3)
    sizes = []
    for stage in module.stages:
        stage.register_forward_hook(lambda stage, inputs, out: sizes.append(tuple(out.shape[1:])))
    module(torch.randn(2, 1, 8, 8))
    assert sizes == [(16, 4, 4), (32, 2, 2), (64, 2, 2)]
    assert model("cnn", depth=7, width=1)(torch.randn(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("side", [8, 32])
def test_compound_scaling_costs_what_the_rule_says(side: int) -> None:
    """Tan and Le: depth 1.2-fold, width 1.1-fold, resolution 1.15-fold per step: 1.92 times the operations."""

    def operations(phi: int) -> int:
        module = build(Recipe(model="efficientnet", compound=phi), (1, side, side), 10).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, 1, side, side))
        return counter.get_total_flops()

    ratios = [operations(phi) / operations(0) / (1.2 * 1.1**2 * 1.15**2) ** phi for phi in range(1, 5)]
    assert max(abs(ratio - 1.0) for ratio in ratios) < 0.1


def test_compound_scaling_grows_depth_width_and_resolution() -> None:
    plain, scaled = (model("efficientnet", compound=phi) for phi in (0, 3))
    blocks = [sum(isinstance(part, SqueezeExcite) for part in module.modules()) for module in (plain, scaled)]
    widths = [module.stem.convolution.out_channels for module in (plain, scaled)]
    assert blocks[1] / blocks[0] == pytest.approx(1.2**3, rel=0.12)
    assert widths[1] / widths[0] == pytest.approx(1.1**3, rel=0.06)
    assert not hasattr(plain, "resolution")
    assert scaled.resolution.size[0] / 8 == pytest.approx(1.15**3, rel=0.1)


def test_an_efficientnet_has_silu_and_skips_more_blocks_the_deeper_they_lie() -> None:
    """Huang et al.: the share grows evenly from the first block to that of the recipe at the last."""
    module = model("efficientnet", stochastic_depth=0.5)
    assert not any(isinstance(part, nn.ReLU) for part in module.modules())
    rates = [part.rate for part in module.modules() if isinstance(part, StochasticDepth)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.5)
    assert rates[0] < 0.2


def test_deeplab_sees_its_smallest_maps_with_several_dilations() -> None:
    module = model("deeplab", activation="tanh", normalization="group")
    pyramid = next(part for part in module.bottom.modules() if isinstance(part, AtrousPyramid))
    dilations = [part.dilation[0] for part in pyramid.branches.modules() if isinstance(part, nn.Conv2d)]
    assert dilations == [1, 1, 2, 3]
    assert any(isinstance(part, nn.Tanh) for part in pyramid.modules())
    assert any(isinstance(part, nn.GroupNorm) for part in pyramid.modules())
    assert parameters(module) > parameters(model("unet", activation="tanh", normalization="group"))


def test_the_stride_is_that_of_every_stage() -> None:
    module = model("cnn", stride=2, pooling="none")
    assert module.stages(torch.randn(2, 1, 8, 8)).shape == (2, 32, 2, 2)


@pytest.mark.parametrize("choices", [{"depth": 4}, {"block": "ccc"}, {"kernel_size": 9}], ids=str)
def test_maps_that_are_used_up_are_refused_with_the_way_out(choices: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"stage \d of \d gets maps of \dx\d, .* choose padding same") as error:
        model("cnn", padding="valid", **choices)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "side", "often"), [("unet", 16, 4), ("encoder-decoder", 16, 4), ("gan", 8, 3)])
def test_maps_that_cannot_be_halved_are_refused(name: str, side: int, often: int) -> None:
    model(name, depth=often, width=2)
    message = f"depth is {often + 1}; {name} halves images of {side}x{side} up to {often} times"
    with pytest.raises(RecipeError, match=re.escape(message)):
        model(name, depth=often + 1, width=2)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("kind", CHOICES["dropout_kind"])
def test_dropout_is_at_work_in_training_only(name: str, kind: str) -> None:
    if (name, kind) == ("mlp", "spatial"):
        pytest.skip("a recipe refuses it")
    module = model(name, dropout=0.5, dropout_kind=kind, normalization="none")
    x = noise(module, name, 4)
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "transformer", "unet", "encoder-decoder", "upscaler", "gan"])
def test_plain_dropout_is_at_work_in_training_only(name: str) -> None:
    module = model(name, dropout=0.5, normalization="none")
    x = noise(module, name, 4)
    run = (lambda: module.discriminator(module(x))) if name == "gan" else (lambda: module(x))
    assert not torch.equal(run(), run())
    module.eval()
    assert torch.equal(run(), run())


@pytest.mark.parametrize("kind", [kind for kind in CHOICES["dropout_kind"] if kind not in ("dropout", "spatial")])
def test_a_recurrent_network_has_a_layer_for_the_other_dropouts(kind: str) -> None:
    try:
        module = model("rnn", dropout=0.5, dropout_kind=kind)
    except RecipeError:
        pytest.skip("a recipe refuses it")
    x = noise(module, "rnn", 4)
    assert not torch.equal(module(x), module(x))


def test_dropout_has_a_hidden_layer_in_convolutional_models() -> None:
    assert not hasattr(model("cnn"), "hidden")
    assert not hasattr(model("cnn", dropout=0.2, dropout_kind="spatial"), "hidden")
    assert model("cnn", dropout=0.2).classifier.in_features == DENSE


def test_spatial_dropout_takes_whole_maps() -> None:
    module = model("cnn", dropout=0.5, dropout_kind="spatial", activation="sigmoid", pooling="none")
    dropped = module.stages[0](torch.randn(8, 1, 8, 8)).flatten(2) == 0.0  # a sigmoid is never 0
    assert torch.equal(dropped.any(dim=2), dropped.all(dim=2))
    assert 0.2 < dropped.float().mean() < 0.8


def test_a_model_can_learn_from_one_example_at_a_time() -> None:
    for name in ("mlp", "cnn", "unet"):
        module = model(name, descent="stochastic", depth=4)
        x = noise(module, name, 1)
        module(x).square().mean().backward()
        assert not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "transformer"])
def test_sequences_are_read_in_order(name: str) -> None:
    module = model(name).eval()
    x = noise(module, name, 4)
    assert not torch.allclose(module(x), module(x.flip(1)), atol=1e-3)


def test_an_rnn_is_of_relus_or_tanh() -> None:
    assert model("rnn").body.nonlinearity == "relu"
    assert model("rnn", activation="tanh").body.nonlinearity == "tanh"


def test_the_transformer_normalizes_after_each_sum() -> None:
    module = model("transformer").eval()
    out = module.stages[0](10.0 * torch.randn(4, 8, 32))
    assert out.mean(dim=-1).abs().max() < 1e-5
    assert torch.allclose(out.std(dim=-1, correction=0), torch.ones(4, 8), atol=1e-3)
    first, second = (stage.linear1.weight for stage in module.stages)
    assert not torch.equal(first, second)  # layers are drawn one by one, not copied


def test_only_unet_passes_the_bottom_by() -> None:
    x = torch.randn(2, 1, 16, 16)
    for name, passes in (("unet", True), ("encoder-decoder", False)):
        module = model(name).eval()
        module.bottom.register_forward_hook(lambda part, inputs, out: torch.zeros_like(out))
        assert torch.equal(module(x), module(-x)) != passes


def test_unet_uses_every_skip() -> None:
    module = model("unet").eval()
    x = torch.randn(2, 1, 16, 16)
    clean = module(x)
    for stage in module.decoder:
        handle = stage.register_forward_pre_hook(
            lambda part, inputs: (torch.cat([inputs[0].chunk(2, dim=1)[0] + 1.0, inputs[0].chunk(2, dim=1)[1]], dim=1),)
        )
        assert not torch.allclose(module(x), clean, atol=1e-3)
        handle.remove()


@pytest.mark.parametrize("normalization", CHOICES["normalization"])
def test_the_upscaler_starts_near_the_interpolation(normalization: str) -> None:
    x, _ = digits()
    small = functional.avg_pool2d(x, 2)
    module = model("upscaler", normalization=normalization)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")  # whatever the initialization
    bicubic = functional.interpolate(small, scale_factor=2, mode="bicubic")
    added = module(small) - bicubic
    assert 0.0 < added.std() < 0.5 * bicubic.std()
    nn.init.zeros_(module.scale)
    assert torch.equal(module(small), bicubic)


def test_the_discriminator_tells_real_from_made() -> None:
    x, _ = digits()
    module = model("gan")
    made = module.sample(64).detach()
    assert made.shape == (64, 1, 8, 8)
    truth = torch.cat([torch.ones(64), torch.zeros(64)])
    assert module.discriminator(x).shape == (64,)
    seen = losses(module.discriminator, torch.cat([x, made]), truth, nn.BCEWithLogitsLoss(), steps=20)
    assert seen[-1] < 0.1 * seen[0]


def test_the_generator_learns_to_pass_for_real() -> None:
    x, _ = digits()
    module = model("gan")
    made = module.sample(64).detach()
    truth = torch.cat([torch.ones(64), torch.zeros(64)])
    losses(module.discriminator, torch.cat([x, made]), truth, nn.BCEWithLogitsLoss(), steps=20)
    passing = nn.Sequential(module.generator, module.discriminator)
    module.discriminator.requires_grad_(False)
    seen = losses(passing, torch.randn(64, module.latent), torch.ones(64), nn.BCEWithLogitsLoss(), steps=40)
    assert seen[-1] < 0.2 * seen[0]


def test_the_generator_reaches_black_and_white() -> None:
    module = model("gan")
    final = module.generator[-2]
    for shade in (-1.0, 1.0):
        with torch.no_grad():
            final.weight.zero_()
            final.bias.fill_(20.0 * shade)
        assert torch.equal(module.sample(2), torch.full((2, 1, 8, 8), shade))


def test_samples_are_new_at_every_call_and_follow_the_seed() -> None:
    module = model("gan").eval()
    torch.manual_seed(3)
    first, second = module.sample(4), module.sample(4)
    torch.manual_seed(3)
    assert not torch.equal(first, second)
    assert torch.equal(module.sample(4), first)
    assert module.to(torch.bfloat16).sample(2).dtype == torch.bfloat16


def test_a_recipe_with_another_model_is_another_network() -> None:
    recipe = Recipe(model="mlp")
    assert [type(part) for part in build(recipe, (1, 8, 8), 10).stages[0].modules()][1:] == [
        nn.Linear,
        nn.Sequential,
        nn.BatchNorm1d,
        nn.ReLU,
    ]
    assert len(build(replace(recipe, depth=5), (1, 8, 8), 10).stages) == 5
