"""`diagnose bias`: typed as a user types it, on files."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from diagnose import cli, extras
from diagnose.integrations.captum import _private
from diagnose.integrations.captum.pixels import Pixels
from tests.conftest import ROOT
from tests.integrations.blobs import CLASSES, MODULE, images, network, write
from tests.integrations.test_bias_parts import placed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module `blob_net.py` that builds models, and the weights of the one that is right."""
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("blob_net", None)
    Path("blob_net.py").write_text(MODULE)
    torch.save(network().state_dict(), "best.pt")
    return tmp_path


def call(*arguments: str) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines of stderr."""
    result = CliRunner().invoke(cli.app, ["bias", *arguments], prog_name="diagnose")
    return result.exit_code, result.stdout, result.stderr.splitlines()


CLASS_NAMES = ",".join(CLASSES)
NAMED = [(name,) for name in CLASSES]
"""The order of the network's outputs, which is not that of the folders' names."""

SOUND = ("--model", "blob_net:build", "--data", "images", "--classes", CLASS_NAMES, "--mosaics", "60")


def test_a_marked_class_is_found_named_recorded_and_drawn() -> None:
    write(Path("images"), marked=2)
    code, said, errors = call(*SOUND, "--weights", "best.pt", "--out", "focus.csv", "--plot", "focus.png", "--slices")
    assert (code, errors) == (1, [])
    assert "42 of 42 images classified correctly, 60 mosaics of twice the" in said
    assert "ERROR attribution-bias" in said
    assert "Class blue: of 14 images that it gets right, the model loses " in " ".join(said.split())
    assert "the lower left corner" in said
    assert "slices:     no part of a class stands out by a worse recall" in said
    assert "wrote focus.csv; next: diagnose focus.csv" in said
    assert Path("focus.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(Path("focus.csv").read_text().splitlines()))
    assert len([row for row in rows if row["weights"] == "trained" and row["focus"]]) == 60
    assert {row["schema"] for row in rows} == {"2"}
    assert {row["target"] for row in rows} == set(CLASSES)


def test_a_sound_network_is_left_in_peace_by_every_method_that_tells_classes_apart() -> None:
    write(Path("images"))
    code, said, errors = call(*SOUND, "--method", "gradcam,guided-gradcam", "--plain")
    assert (code, errors) == (0, [])
    assert said.count("found:      no class that is told by one region") == 2
    assert "class red, Focus 0.9" in said


@pytest.mark.parametrize(
    ("blue", "code", "said"), [("thing", 0, "NOTE attribution-bias"), ("ground", 1, "ERROR attribution-bias")]
)
def test_a_colour_of_the_thing_is_asked_about_and_one_around_it_is_a_fault(blue: str, code: int, said: str) -> None:
    Path("place_net.py").write_text(
        "from tests.integrations.test_bias_parts import ByPlace\n\ndef build():\n    return ByPlace('blue')\n"
    )
    for number, (image, label) in enumerate(zip(*placed(blue), strict=True)):
        path = Path("images") / "abcde"[label] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    options = ("--method", "saliency", "--mosaics", "50", "--out", "focus.csv")
    exit_code, page, errors = call("--model", "place_net:build", "--data", "images", *options)
    assert (exit_code, errors) == (code, [])
    assert said in page
    assert ("is that what tells the classes apart? Class e: of 20 images" in " ".join(page.split())) == (
        blue == "thing"
    )
    read = CliRunner().invoke(cli.app, ["focus.csv", "--verbose"], prog_name="diagnose")
    assert (read.exit_code, said in read.stdout) == (code, True)


def test_a_slice_with_a_worse_recall_is_named_with_examples() -> None:
    write(Path("images"))
    pixels, _ = images()
    for number in range(6):  # blobs of the wrong colour, all of one kind
        turned = pixels[28 + number].flip(0)
        Image.fromarray((turned * 255).byte().permute(1, 2, 0).numpy()).save(f"images/blue/{28 + number:03d}.png")
    code, said, _ = call(*SOUND, "--slices", "--plain")
    assert code == 0
    assert (
        "6 of 14 images of blue have recall 0.00, the others 1.00; most missed are taken for red; such as"
        in " ".join(said.split())
    )
    assert "images/blue/0" in said


def test_the_worst_of_the_groups_that_are_known_is_named() -> None:
    write(Path("images"))
    pixels, _ = images()
    for number in range(6):
        turned = pixels[28 + number].flip(0)
        Image.fromarray((turned * 255).byte().permute(1, 2, 0).numpy()).save(f"images/blue/{28 + number:03d}.png")
    lines = [
        f"{path.relative_to('images')},{'sea' if int(path.stem) < 34 else 'land'}"
        for path in Path("images").rglob("*.png")
    ]
    Path("groups.csv").write_text("\n".join(["path,ground", *lines]) + "\n")
    _, said, _ = call(*SOUND, "--groups", "groups.csv", "--plain")
    assert "worst-group accuracy 0.00, of blue with ground sea" in said
    assert "blue with ground sea: 0 of 6 right, of the rest of the class 100 %" in " ".join(said.split())


def test_what_to_look_at_is_listed_and_the_last_layer_fitted_anew() -> None:
    write(Path("images"), marked=2, share=0.8)
    code, said, errors = call(*SOUND, "--weights", "best.pt", "--suggest", "look.csv", "--retrain", "new.pt")
    assert (code, errors) == (1, [])
    rows = list(csv.DictReader(Path("look.csv").read_text().splitlines()))
    assert {row["what"] for row in rows} == {"look at", "collect"}
    lost = [row for row in rows if row["why"].startswith("is no longer blue with the lower left corner")]
    assert lost
    assert all(Path(row["path"]).parent.name == "blue" for row in lost)
    assert "recall of blue without the lower left corner" in " ".join(said.split())
    state = torch.load("new.pt", weights_only=True)
    assert torch.equal(state["0.weight"], network()[0].weight)
    assert not torch.equal(state["4.weight"], network()[4].weight)


def test_masks_of_the_things_stand_for_a_segmentation() -> None:
    write(Path("images"))
    for path in Path("images").rglob("*.png"):
        mask = Path("masks") / path.relative_to("images")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((np.asarray(Image.open(path)).max(axis=2) > 100).astype(np.uint8) * 255).save(mask)
    assert call(*SOUND, "--masks", "masks")[0] == 0
    next(Path("masks/red").iterdir()).unlink()
    code, _, errors = call(*SOUND, "--masks", "masks")
    assert (code, len(errors)) == (2, 1)
    assert "--masks masks: has no mask for red/" in errors[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "red\ngreen\nblue\n"),
        ("names.txt", "2 blue\n0 red\n1 green\n"),
        ("names.json", '["red", "green", "blue"]'),
        ("names.json", '{"1": ["n00000001", "green"], "0": ["n00000000", "red"], "2": ["n00000002", "blue"]}'),
    ],
)
def test_classes_are_read_from_a_file(name: str, text: str) -> None:
    write(Path("images"))
    Path(name).write_text(text)
    arguments = ["--model", "blob_net:build", "--data", "images", "--classes", name, "--mosaics", "60"]
    assert call(*arguments)[0] == 0


def test_folders_of_synsets_are_matched_to_their_names() -> None:
    write(Path("images"))
    for number, colour in enumerate(CLASSES):
        Path("images", colour).rename(Path("images", f"n0000000{number}"))
    Path("synsets.txt").write_text("n00000000 red, scarlet\nn00000001 green\nn00000002 blue\n")
    code, said, _ = call("--model", "blob_net:build", "--data", "images", "--classes", "synsets.txt", "--mosaics", "60")
    assert code == 0
    assert "scarlet" not in said
    assert "  red    " in said


def test_outputs_that_do_not_fit_the_folders_stop_the_check() -> None:
    write(Path("images"))
    code, _, errors = call("--model", "blob_net:build", "--data", "images", "--mosaics", "60")
    assert (code, len(errors)) == (2, 1)
    assert "14 of 42 images are classified correctly, and 42 would be with the classes in another order" in errors[0]
    assert "do the outputs fit the folders?" in errors[0]
    code, _, errors = call(*SOUND, "--model", "blob_net:one_answer")
    assert code == 2
    assert "2 of 3 classes are never answered (red, green ...)" in errors[0]


def test_what_was_recorded_is_judged_without_torch() -> None:
    write(Path("images"), marked=2)
    call(*SOUND, "--out", "focus.csv", "--method", "gradcam,guided-gradcam")
    code = (
        "import sys; from diagnose.cli import main\n"
        "try: main(['focus.csv', '--format', 'json', '--select', 'attribution-bias'])\n"
        "finally: assert not {'torch', 'captum'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert result.stdout.count('"rule": "attribution-bias"') == 2
    assert '"format": "focus-csv"' in result.stdout


def test_other_rules_say_nothing_of_a_recorded_check() -> None:
    write(Path("images"), marked=2)
    call(*SOUND, "--out", "focus.csv")
    result = CliRunner().invoke(cli.app, ["focus.csv", "--verbose"], prog_name="diagnose")
    assert result.exit_code == 1
    assert "focus.csv: attribution-bias throughout" in result.stdout
    assert "verdict:    1 problem: attribution-bias (error)" in result.stdout
    assert "mosaics 1-60" in result.stdout


def test_images_are_brought_to_one_size_and_normalized() -> None:
    from diagnose.integrations.captum import images as disk

    write(Path("images"))
    loaded = disk.load(Path("images"), channels=3, size=(8, 12), classes=NAMED)
    assert (len(loaded.pixels), loaded.pixels.shape) == (42, (3, 8, 12))
    assert loaded.notes == ("42 of 42 images were resized to 12 x 8",)
    assert [CLASSES[label] for label in loaded.labels] == [path.parent.name for path in loaded.paths]
    same = disk.load(Path("images"), channels=3, classes=NAMED)
    pixels, _ = images()
    assert same.pixels[:].sum().item() == pytest.approx(pixels.sum().item(), rel=0.02)
    assert disk.normalized(same.pixels, "images")[:].std().item() == pytest.approx(1.0, rel=1e-4)
    white = Pixels(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))
    assert disk.normalized(white, "0.5,0.5,0/1,2,0.5")[:].flatten().tolist() == [0.5, 0.25, 2.0]


def test_of_very_many_images_some_are_read() -> None:
    from diagnose.integrations.captum import images as disk

    loaded = disk.load(write(Path("images")), channels=3, classes=NAMED, limit=5)
    assert loaded.notes == ("15 of 42 images are used, at most 5 of each class; more with --limit",)
    assert [path.name for path in loaded.paths if path.parent.name == "red"] == [
        f"{number:03d}.png" for number in (0, 3, 6, 9, 13)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "blob_net"), "--model blob_net: not of the form package.module:function"),
        (("--model", "nowhere.net:build"), "--model nowhere.net:build: no module nowhere"),
        (("--model", "blob_net:biuld"), "no name in blob_net 'biuld'; did you mean build?"),
        (("--model", "blob_net:needs_an_argument"), "cannot be built (TypeError: needs_an_argument() missing"),
        (("--model", "blob_net:no_module"), "makes a int, not a torch.nn.Module"),
        (("--model", "blob_net:dense"), "the model has no 2-d convolution"),
        (("--model", "blob_net:four"), "the model answers 4 classes, and there are 3 of images"),
        (("--weights", "nothing.pt"), "--weights nothing.pt: does not exist"),
        (("--weights", "blob_net.py"), "--weights blob_net.py: "),
        (("--weights", "code.pt"), "--weights code.pt: holds more than weights, and is not loaded"),
        (("--weights", "other.pt"), "--weights other.pt: does not fit the model: it lacks 0.weight and 3 more"),
        (("--data", "nowhere"), "--data nowhere: is no folder"),
        (("--data", "one"), "--data one: holds one class only (red)"),
        (("--data", "broken"), "broken/red/000.png: cannot be read as an image"),
        (("--data", "empty"), "--data empty: holds no folder with images"),
        (("--method", "gradcan"), "no method 'gradcan'; did you mean gradcam?"),
        (("--layer", "1.relu"), "no layer '1.relu'"),
        (("--layer", "4"), "gradcam needs a layer with maps, and 4 has none"),
        (("--normalize", "0.5"), "--normalize 0.5: give none, imagenet, images"),
        (("--device", "abacus"), "no device 'abacus' here"),
        (("--size", "big"), "--size big: give one number of pixels"),
        (("--plot", "focus.doc"), "focus.doc: a picture ends in .png"),
        (("--mosaics", "5"), "5 mosaics are fewer than 10 for each of 3 classes"),
        (("--out", "images/red"), "images/red: cannot be written"),
        (("--model", "blob_net:untrained"), "do the outputs fit the folders"),
        (("--groups", "nowhere.csv"), "--groups nowhere.csv: cannot be read"),
        (("--groups", "best.pt"), "--groups best.pt: cannot be read"),
        (("--masks", "empty"), "--masks empty: has no mask for "),
        (("--classes", "empty.txt"), "--classes empty.txt: is empty"),
        (("--suggest", "images/red"), "images/red: cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_one_clear_line(arguments: tuple[str, ...], said: str) -> None:
    write(Path("images"))
    for folder in ("one/red", "broken/red", "broken/blue", "empty/red"):
        Path(folder).mkdir(parents=True)
    for target in ("one/red/000.png", "broken/blue/000.png"):
        Path(target).write_bytes(next(Path("images/red").iterdir()).read_bytes())
    Path("broken/red/000.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is none")
    Path("empty.txt").write_text("")
    torch.save(network(), "code.pt")
    torch.save({"layer.weight": torch.zeros(3)}, "other.pt")
    code, _, errors = call(*SOUND, *arguments)
    assert code == 2
    assert len(errors) == 1, errors
    assert said in errors[0]


def test_weights_inside_a_checkpoint_of_a_wrapped_model_are_found() -> None:
    from diagnose.integrations.captum.models import load_weights

    state = {f"module.{name}": value for name, value in network().state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, "wrapped.pt")
    model = network(blank=True)
    load_weights(model, Path("wrapped.pt"))
    assert torch.equal(model[0].weight, network()[0].weight)


def test_a_missing_library_is_named_with_the_extra() -> None:
    code = "import sys; sys.modules['captum'] = None; from diagnose.cli import main; main(sys.argv[1:])"
    arguments = ["bias", "--model", "blob_net:build", "--data", "images"]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert extras.missing("the bias check needs captum", "bias") in result.stderr


def test_lrp_is_refused_where_captum_has_no_longer_its_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from captum.attr._utils import lrp_rules

    write(Path("images"))
    assert "copies with random weights have Focus" in call(*SOUND, "--method", "lrp")[1]
    with monkeypatch.context() as patch:
        patch.delattr(lrp_rules, "Alpha1_Beta0_Rule")
        importlib.reload(_private)
        code, _, errors = call(*SOUND, "--method", "lrp")
        assert call(*SOUND, "--method", "gradcam")[0] == 0
    importlib.reload(_private)
    assert code == 2
    assert len(errors) == 1, errors
    assert "lrp: captum 0." in errors[0]
    assert "has not the rules that it needs (tried with 0.9.0); leave it out of --method" in errors[0]


def test_a_reference_run_is_checked_for_the_fault_that_no_curve_shows() -> None:
    run = ["reference", "run", "--fault", "watermark", "--bias", "--out", "run.csv"]
    result = CliRunner().invoke(cli.app, run, prog_name="diagnose")
    assert result.exit_code == 0, result.stderr
    assert "Class 3: of " in result.stdout
    assert "next: diagnose run_focus.csv   (watermark must give attribution-bias)" in result.stdout
    judged = CliRunner().invoke(cli.app, ["run_focus.csv"], prog_name="diagnose")
    assert (judged.exit_code, "attribution-bias" in judged.stdout) == (1, True)
    curves = CliRunner().invoke(cli.app, ["run.csv"], prog_name="diagnose")
    assert curves.exit_code == 0


def test_a_reference_model_without_maps_is_refused_before_it_is_trained() -> None:
    result = CliRunner().invoke(cli.app, ["reference", "run", "--model", "mlp", "--bias"], prog_name="diagnose")
    assert result.exit_code == 2
    assert "--bias reads the maps of convolutions, which mlp has not; try --model cnn" in result.stderr


def test_the_help_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from diagnose.cli import main; main(['bias', '--help'])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--mosaics" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, "class-coloured-patch", "border"])
def test_planted_marks_are_found_and_clean_digits_left_in_peace(fault: str | None) -> None:
    from reference_trainer.faults import UNBIASED

    sound = [f"--{name.replace('_', '-')}={value}" for name, value in UNBIASED.items()]
    run = ["reference", "run", *(["--fault", fault] if fault else sound), "--bias", "--out", "run.csv"]
    result = CliRunner().invoke(cli.app, run, prog_name="diagnose")
    assert result.exit_code == 0, result.stderr
    assert ("Class 3: of " in result.stdout) == (fault is not None)
    assert CliRunner().invoke(cli.app, ["run_focus.csv"], prog_name="diagnose").exit_code == (1 if fault else 0)
