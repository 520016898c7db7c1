"""`diagnose bias`: does a model look at the thing that it names?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diagnose.console import options, terminal
from diagnose.errors import SettingsError, unknown

if TYPE_CHECKING:
    from torch import nn

    from diagnose.integrations.captum.clusters import Group
    from diagnose.integrations.captum.scores import Scores

EXTRA = "pip install 'training-diagnose[bias]'"

_LIBRARIES = ("torch", "captum", "PIL", "sklearn", "matplotlib")


@contextmanager
def needs_bias() -> Iterator[None]:
    """Says which extra to install where a library of the bias check is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _LIBRARIES:
            raise
        raise SettingsError(f"the bias check needs {name}, which is not installed; {EXTRA}") from error


def bias(  # noqa: PLR0913 - its options are its signature
    model: Annotated[
        str, typer.Option(metavar="MODULE:NAME", help="A function or class that builds the model: mypkg.net:build.")
    ],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Validation images: one folder per class.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its weights, a saved state_dict.  [default: as it is built]")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="gradcam, lrp, guided-gradcam, integrated-gradients, smoothgrad, saliency, occlusion; with commas.",
        ),
    ] = "gradcam",
    mosaics: Annotated[int, typer.Option(min=1, metavar="N", help="Mosaics in all, shared evenly by class.")] = 200,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer for GradCAM.  [default: the last convolution]")
    ] = None,
    normalize: Annotated[
        str,
        typer.Option(
            metavar="HOW", help="Of pixels from 0 to 1: none, imagenet, images (by these), or MEAN,.../STD,..."
        ),
    ] = "none",
    size: Annotated[
        str | None, typer.Option(metavar="PIXELS", help="Side, or HEIGHTxWIDTH.  [default: the first image's]")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="The model's outputs in order, with commas.  [default: the folders, sorted]"
        ),
    ] = None,
    all_images: Annotated[
        bool, typer.Option("--all-images", help="Use images that the model gets wrong, too.")
    ] = False,
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Look for groups of images that are told by different features.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the mosaics.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOCUS.CSV", help="Every mosaic; then: diagnose focus.csv")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="The mosaics of the lowest Focus: a .png, .svg or .pdf.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="cpu, cuda ...  [default: the GPU if any]")] = None,
    plain: options.Plain = False,
) -> None:
    """Measure whether a model looks at the thing that it names, or at a mark that goes with it.

    Exit codes: 0 no bias found; 1 one is found; 2 a wrong call, or a model or images that cannot be judged.
    """
    with needs_bias():
        import captum.attr  # noqa: F401
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401

        from diagnose.integrations.captum import images as disk
        from diagnose.integrations.captum import methods as attribution
        from diagnose.integrations.captum import page, picture

    wanted = tuple(dict.fromkeys(name.strip() for name in method.split(",") if name.strip()))
    for name in wanted:
        if name not in attribution.METHODS:
            raise SettingsError(unknown("method", name, attribution.METHODS))
    if plot is not None:
        picture.check_path(plot)
    built = disk.build(model)
    if weights is not None:
        disk.load_weights(built, weights)
    names = [name.strip() for name in classes.split(",")] if classes else None
    loaded = disk.load(data, channels=disk.channels(built), size=_size(size), classes=names)
    scores = scored(
        built,
        (disk.normalized(loaded.pixels, normalize), loaded.labels),
        classes=loaded.classes,
        methods=wanted,
        mosaics=mosaics,
        layer=layer,
        seed=seed,
        all_images=all_images,
        device=device,
    )
    diagnoses = page.judged(scores)
    groups = _groups(scores, built) if clusters else None
    sheet = terminal.page(plain, None, "auto")
    terminal.write(page.render(scores, diagnoses, sheet, groups=groups, paths=loaded.paths, notes=loaded.notes))
    if out is not None:
        scores.write(out)
        terminal.write(f"\nwrote {out}; next: diagnose {out}\n")
    if plot is not None:
        picture.draw(scores, built, plot, groups or ())
        terminal.write(f"wrote {plot}\n")
    if all(diagnosis.not_judged for diagnosis in diagnoses):
        raise SettingsError(
            "no method could judge this model; try --method gradcam,lrp, more images or another --layer"
        )
    raise typer.Exit(1 if page.found(diagnoses) else 0)


def scored(model: nn.Module, dataset: object, *, methods: tuple[str, ...], mosaics: int, **options: object) -> Scores:
    """The scores, with a progress bar on a terminal. Raises SettingsError."""
    from diagnose.integrations.captum.scores import focus, work

    with terminal.bar(work(mosaics, len(methods)), "attributing") as step:
        done = 0

        def progress(count: int, said: str) -> None:
            nonlocal done
            done += count
            if step is not None:
                step(done, said)

        return focus(model, dataset, methods=methods, mosaics=mosaics, progress=progress, **options)  # type: ignore[arg-type]


def _groups(scores: Scores, model: nn.Module) -> list[Group]:
    from diagnose.integrations.captum import clusters

    return clusters.groups(scores, model)


def _size(size: str | None) -> tuple[int, int] | None:
    """Height and width. Raises SettingsError."""
    if size is None:
        return None
    sides = size.lower().split("x")
    if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
        raise SettingsError(f"--size {size}: give one number of pixels, or HEIGHTxWIDTH")
    return int(sides[0]), int(sides[-1])
