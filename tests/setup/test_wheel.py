"""The package that Colab installs holds everything that the repository's copy does."""

import shutil
import subprocess
import sys
import zipfile

import pytest

BUILD = "from setuptools import build_meta; build_meta.build_wheel('wheel')"


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The names in a wheel built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(root / name, folder)
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(root / "course_utils", folder / "course_utils", ignore=ignore)
    # Neighbors that must stay out.
    for name in ("tools", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    result = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    (path,) = (folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist(), archive.read(
            next(name for name in archive.namelist() if name.endswith("METADATA"))
        ).decode()


def test_wheel_holds_every_file_of_the_package(root, wheel):
    source = root / "course_utils"
    wanted = {
        path.relative_to(root).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert {"course_utils/data_files/mnist_5k.npz", "course_utils/data_files/README.md"} <= wanted
    assert {name.rsplit(".")[-1] for name in wanted} >= {"py", "js", "css", "npz", "md"}
    assert wanted == {name for name in wheel[0] if not name.split("/")[0].endswith(".dist-info")}


def test_wheel_states_its_license_and_needs(wheel, pyproject):
    names, metadata = wheel
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: MIT AND CC-BY-SA-3.0" in metadata
    assert "Requires-Python: >=3.10" in metadata
    plain = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    needed = [line for line in plain if "extra ==" not in line]
    assert len(needed) == len(pyproject["project"]["dependencies"])
