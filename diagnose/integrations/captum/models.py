"""A user's model: built, and its weights loaded. Every failure is one clear line."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError, unknown

_HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which checkpoints keep the weights."""

_PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
"""What wrappers put before the names of weights."""


def build(spec: str) -> nn.Module:
    """The model that `package.module:name` names: a module, or a function or class that makes one without arguments.

    Raises SettingsError.
    """
    where, colon, name = spec.partition(":")
    if not colon or not where or not name:
        raise SettingsError(f"--model {spec}: not of the form package.module:function, such as mypkg.net:build")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the command is typed where the package lies
    try:
        found: Any = importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise SettingsError(f"--model {spec}: no module {error.name}; call from the folder that holds it") from error
    except Exception as error:
        raise SettingsError(f"--model {spec}: importing {where} failed ({short(error)})") from error
    finally:
        sys.path.pop(0)
    for part in name.split("."):
        if not hasattr(found, part):
            raise SettingsError(f"--model {spec}: {unknown('name in ' + where, part, _public(found))}")
        found = getattr(found, part)
    if not isinstance(found, nn.Module):
        try:
            found = found()
        except Exception as error:
            raise SettingsError(
                f"--model {spec}: cannot be built ({short(error)}); name a function that takes no arguments"
            ) from error
    if not isinstance(found, nn.Module):
        raise SettingsError(f"--model {spec}: makes a {type(found).__name__}, not a torch.nn.Module")
    return found.eval()


def _public(module: Any) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint of plain tensors into the model. Raises SettingsError."""
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SettingsError(f"--weights {path}: does not exist") from error
    except pickle.UnpicklingError as error:
        raise SettingsError(
            f"--weights {path}: holds more than weights, and is not loaded since it could run code; save "
            "model.state_dict() alone"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise SettingsError(f"--weights {path}: is no checkpoint of PyTorch ({short(error)})") from error
    weights = _weights(loaded)
    if weights is None:
        raise SettingsError(f"--weights {path}: holds no weights by name; save model.state_dict()")
    wanted = model.state_dict()
    weights = _renamed(weights, wanted)
    missing = [name for name in wanted if name not in weights]
    extra = [name for name in weights if name not in wanted]
    other = [name for name in wanted if name in weights and wanted[name].shape != weights[name].shape]
    for what, names in (("lacks", missing), ("has in another shape", other), ("has beside those of the model", extra)):
        if names:
            raise SettingsError(
                f"--weights {path}: does not fit the model: it {what} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
    model.load_state_dict(weights)


def _weights(loaded: Any) -> dict[str, Tensor] | None:
    """The weights by name, wherever a checkpoint keeps them."""
    if isinstance(loaded, Mapping):
        if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
            return {str(name): value for name, value in loaded.items()}
        for key in _HOLDERS:
            if key in loaded and (found := _weights(loaded[key])) is not None:
                return found
    return None


def _renamed(weights: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without what a wrapper put before every name."""
    for prefix in _PREFIXES:
        bare = {name.removeprefix(prefix): value for name, value in weights.items()}
        if all(name.startswith(prefix) for name in weights) and len(bare.keys() & wanted.keys()) > len(
            weights.keys() & wanted.keys()
        ):
            return bare
    return weights


def channels(model: nn.Module) -> int:
    """Channels of the images that the model takes: those of its first convolution, else 3."""
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


def short(error: Exception) -> str:
    """An error in a few words."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(": ")
