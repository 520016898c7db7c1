"""`diagnose bias`: does a model look at the thing that it names?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diagnose import extras
from diagnose.console import options, terminal
from diagnose.errors import SettingsError, unknown

if TYPE_CHECKING:
    from torch import nn

    from diagnose.integrations.captum.images import Images
    from diagnose.integrations.captum.page import Extras
    from diagnose.integrations.captum.scores import Scores

_LIBRARIES = ("torch", "captum", "PIL", "sklearn", "skimage", "matplotlib")


@contextmanager
def needs_bias() -> Iterator[None]:
    """Says which extra to install where a library of the bias check is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _LIBRARIES:
            raise
        raise SettingsError(extras.missing(f"the bias check needs {name}", "bias")) from error


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
        str | None,
        typer.Option(metavar="NAME", help="Layer for GradCAM.  [default: the last with maps or a grid of tokens]"),
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
            metavar="NAMES|FILE",
            help="The model's outputs in order, with commas, or a file of them.  [default: the folders, sorted]",
        ),
    ] = None,
    all_images: Annotated[
        bool, typer.Option("--all-images", help="Use images that the model gets wrong in mosaics, too.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=4, metavar="N", help="Images of a class that are read, evenly spaced by name.")
    ] = 40,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Masks of the things, laid out as the images.  [default: a segmentation]"),
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="Look for images of a class with a feature in common and a worse recall.")
    ] = False,
    groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Attributes that you know: a CSV of paths and a column each.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the mosaics and the exchanges.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOCUS.CSV", help="Every effect and mosaic; then: diagnose focus.csv")
    ] = None,
    suggest: Annotated[
        Path | None, typer.Option(metavar="LIST.CSV", help="Write which images to look at, and what to collect.")
    ] = None,
    retrain: Annotated[
        Path | None,
        typer.Option(metavar="WEIGHTS.PT", help="Fit the last layer anew without the region, before and after."),
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
        import skimage.segmentation  # noqa: F401
        import sklearn  # noqa: F401

        from diagnose.integrations.captum import images as disk
        from diagnose.integrations.captum import methods as attribution
        from diagnose.integrations.captum import models, page, picture, segments

    wanted = tuple(dict.fromkeys(name.strip() for name in method.split(",") if name.strip()))
    for name in wanted:
        if name not in attribution.METHODS:
            raise SettingsError(unknown("method", name, attribution.METHODS))
    if plot is not None:
        picture.check_path(plot)
    built = models.build(model)
    if weights is not None:
        models.load_weights(built, weights)
    names = disk.class_names(classes) if classes else None
    loaded = disk.load(data, channels=models.channels(built), size=_size(size), classes=names, limit=limit)
    things = None if masks is None else segments.of_files(masks, data, loaded.paths, loaded.pixels.shape[1:])
    scores = scored(
        built,
        (disk.normalized(loaded.pixels, normalize), loaded.labels),
        classes=loaded.classes,
        methods=wanted,
        mosaics=mosaics,
        layer=layer,
        seed=seed,
        all_images=all_images,
        things=things,
        device=device,
    )
    diagnoses = page.judged(scores)
    sheet = terminal.page(plain, None, "auto")
    extras = _extras(scores, built, loaded, slices=slices, groups=groups, data=data)
    terminal.write(page.render(scores, diagnoses, sheet, extras))
    if out is not None:
        scores.write(out)
        terminal.write(f"\nwrote {out}; next: diagnose {out}\n")
    if plot is not None:
        picture.draw(scores, built, plot, extras.slices or ())
        terminal.write(f"wrote {plot}\n")
    if suggest is not None:
        _suggest(scores, built, loaded, suggest)
    if retrain is not None:
        _retrain(scores, built, retrain, plain=plain)
    if all(diagnosis.not_judged for diagnosis in diagnoses):
        raise SettingsError(
            "no method could judge this model; try --method gradcam,lrp, more images or another --layer"
        )
    raise typer.Exit(1 if page.found(diagnoses) else 0)


def scored(model: nn.Module, dataset: Any, *, methods: tuple[str, ...], mosaics: int, **settings: Any) -> Scores:
    """The scores, with a progress bar on a terminal. Raises SettingsError."""
    from diagnose.integrations.captum.scores import focus, work

    images, classes = len(dataset[1]), len(dataset[1].unique())
    with terminal.bar(work(mosaics, len(methods), images, classes), "trying regions and mosaics") as step:
        done = 0

        def progress(count: int, said: str) -> None:
            nonlocal done
            done += count
            if step is not None:
                step(done, said)

        return focus(model, dataset, methods=methods, mosaics=mosaics, progress=progress, **settings)


def _extras(
    scores: Scores, model: nn.Module, loaded: Images, *, slices: bool, groups: Path | None, data: Path
) -> Extras:
    """What was asked for beside the check. Raises SettingsError."""
    from diagnose.integrations.captum import groups as known
    from diagnose.integrations.captum import slices as unknown_groups
    from diagnose.integrations.captum.page import Extras

    found = table = None
    if slices:
        found = unknown_groups.slices(model, scores.images, scores.labels, scores.predicted)
    if groups is not None:
        table = known.groups(known.read(groups, data, loaded.paths), scores.labels, scores.predicted)
    return Extras(loaded.paths, loaded.notes, found, table)


def _suggest(scores: Scores, model: nn.Module, loaded: Images, path: Path) -> None:
    """Write what to look at and to collect. Raises SettingsError."""
    from diagnose.integrations.captum import page, repair

    found = page.found_effects(scores)
    rows = repair.suggestions(model, scores, found, loaded.paths)
    repair.write(rows, path)
    terminal.write(f"wrote {path}: {len(rows)} lines\n" if rows else f"wrote {path}: nothing was found to look at\n")


def _retrain(scores: Scores, model: nn.Module, path: Path, *, plain: bool) -> None:
    """Fit the last layer anew where a region was found, and keep the weights. Raises SettingsError."""
    import torch

    from diagnose.integrations.captum import page, repair

    found = page.found_effects(scores)
    if not found:
        terminal.write("retrained: no region was found to be trained without\n")
        return
    made = repair.retrained(model, scores, found[0])
    terminal.write(page.repaired(made, terminal.page(plain, None, "auto")))
    try:
        torch.save(model.state_dict(), path)
    except (OSError, RuntimeError) as error:
        raise SettingsError(f"{path}: cannot be written ({error}); name another with --retrain") from error
    terminal.write(f"wrote {path}\n")


def _size(size: str | None) -> tuple[int, int] | None:
    """Height and width. Raises SettingsError."""
    if size is None:
        return None
    sides = size.lower().split("x")
    if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
        raise SettingsError(f"--size {size}: give one number of pixels, or HEIGHTxWIDTH")
    return int(sides[0]), int(sides[-1])
