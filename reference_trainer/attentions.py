"""Attention: what a step may see, and how it is told where it stands. Sequences are (n, steps, width).

mask = ATTENTIONS["causal"](8, device)                  # (8, 8), True where a step must not look
states = positions_of(recipe, 8, 32)(states)
layer = encoder_layer(32, recipe)                       # layer(states, src_mask=mask, src_key_padding_mask=padding)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from reference_trainer.activations import ACTIVATIONS
from reference_trainer.recipe import Recipe

PADDING = 0
"""The number of what fills a sequence up."""

BASE = 10000.0
"""The wavelengths of positions go from 2 pi to this times 2 pi steps."""


def full(steps: int, device: torch.device) -> Tensor | None:
    """Full attention: every step sees every other.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.2.
    """
    return None


def causal(steps: int, device: torch.device) -> Tensor | None:
    """Causal attention: a step sees itself and what came before, so that the next can be told from it.

    Returns booleans of shape (steps, steps), True where a step (row) must not look.
    Source: Vaswani et al., Attention Is All You Need (2017), section 3.2.3.
    """
    return torch.ones(steps, steps, dtype=torch.bool, device=device).triu(1)


ATTENTIONS: dict[str, Callable[[int, torch.device], Tensor | None]] = {"full": full, "causal": causal}
"""Name -> steps, device -> the mask; None where nothing is hidden."""


def sinusoids(steps: int, width: int) -> Tensor:
    """Sines (even places) and cosines (odd ones) of the step, of shape (steps, width).

    PE(step, 2i) = sin(step / 10000^(2i / width)), PE(step, 2i + 1) the cosine of the same.
    Source: Vaswani et al., Attention Is All You Need (2017), section 3.5.
    """
    angles = torch.arange(steps)[:, None] / BASE ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def rotated(states: Tensor) -> Tensor:
    """Queries or keys (..., steps, width) turned by angles that grow with the step: products tell distances alone.

    The two halves of the width are the two axes of each plane; width must be even.
    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding (2021).
    """
    steps, half = states.shape[-2], states.shape[-1] // 2
    places = torch.arange(steps, device=states.device)[:, None]
    angles = places / BASE ** (torch.arange(half, device=states.device) / half)
    sin, cos = angles.sin().to(states.dtype), angles.cos().to(states.dtype)
    one, other = states[..., :half], states[..., half:]
    return torch.cat([one * cos - other * sin, one * sin + other * cos], dim=-1)


class LearnedPositions(nn.Module):
    """Learned positions: each step has a vector of its own that is added.

    Source: Gehring et al., Convolutional Sequence to Sequence Learning (2017).
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(0.02 * torch.randn(steps, width))

    def forward(self, states: Tensor) -> Tensor:
        """The states, each with its place."""
        return states + self.places


class SinusoidalPositions(nn.Module):
    """Sinusoidal positions: sines and cosines of the step, of ever longer waves, are added.

    Source: Vaswani et al., Attention Is All You Need (2017), section 3.5.
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        self.register_buffer("places", sinusoids(steps, width), persistent=False)
        self.places: Tensor

    def forward(self, states: Tensor) -> Tensor:
        """The states, each with its place."""
        return states + self.places


class RotaryPositions(nn.Identity):
    """Rotary positions: queries and keys are turned by the step, so that attention goes by distances.

    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding (2021).
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()  # the attention turns them, see `SelfAttention`


class NoPositions(nn.Identity):
    """No positions: full attention then sees a set, and not a sequence; causal attention can still count.

    Source: Haviv et al., Transformer Language Models without Positional Encodings Still Learn Positional Information
    (2022).
    """

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()


POSITIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "learned": LearnedPositions,
    "sinusoidal": SinusoidalPositions,
    "rotary": RotaryPositions,
    "none": NoPositions,
}
"""Name -> steps, width -> what tells states of shape (n, steps, width) where they stand."""


def positions_of(recipe: Recipe, steps: int, width: int) -> nn.Module:
    """The recipe's positions."""
    return POSITIONS[recipe.positions](steps, width)


class SelfAttention(nn.Module):
    """Self-attention whose queries and keys are normalized, turned by their step, or both.

    Stands in for `nn.MultiheadAttention` in a layer of an encoder.
    normalized: queries and keys have a layer norm each, so that their products stay small (QK-norm).
    rotary: they are turned by angles that grow with the step; then the width of a head must be even.
    Source: Henry et al., Query-Key Normalization for Transformers (2020); Su et al., RoFormer (2021).
    """

    batch_first = True
    in_proj_bias = None
    """As `nn.TransformerEncoderLayer` reads it: there is no fast path to take."""

    def __init__(self, width: int, heads: int, dropout: float, *, normalized: bool, rotary: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.projection = nn.Linear(width, 3 * width)
        made = (lambda: nn.LayerNorm(width // heads)) if normalized else nn.Identity
        self.query_norm, self.key_norm = made(), made()
        self.out = nn.Linear(width, width)

    def forward(
        self,
        sequence: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **_asked: bool,
    ) -> tuple[Tensor, None]:
        """The attended sequence of shape (n, steps, width), and no weights.

        attn_mask: (steps, steps), key_padding_mask: (n, steps); as the layer hands them on, -inf where nothing is seen.
        """
        parts = self.projection(sequence).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys = self.query_norm(parts[0]), self.key_norm(parts[1])
        if self.rotary:
            queries, keys = rotated(queries), rotated(keys)
        hidden = None if key_padding_mask is None else key_padding_mask[:, None, None, :]
        if attn_mask is not None:
            hidden = attn_mask if hidden is None else hidden + attn_mask
        dropped = self.dropout if self.training else 0.0
        seen = scaled_dot_product_attention(queries, keys, parts[2], attn_mask=hidden, dropout_p=dropped)
        attended: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return attended, None


def encoder_layer(width: int, recipe: Recipe) -> nn.Module:
    """A layer of an encoder: attention and two linear layers, each added to its input and then normalized.

    As many heads as divide the width, up to four. Rotary positions and QK-norm have an attention of their own.
    """
    heads = math.gcd(width, 4)
    layer = nn.TransformerEncoderLayer(
        width,
        nhead=heads,
        dim_feedforward=4 * width,
        dropout=recipe.dropout,
        activation=ACTIVATIONS[recipe.activation](),
        batch_first=True,
        norm_first=False,
    )
    rotary = recipe.positions == "rotary"
    if recipe.stable_logits or rotary:
        made = SelfAttention(width, heads, recipe.dropout, normalized=recipe.stable_logits, rotary=rotary)
        layer.self_attn = made  # type: ignore[assignment]
    return layer
