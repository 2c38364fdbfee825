"""pyproject.toml, requirements.txt and the two conda environments say the same."""

import re

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

# What conda-forge calls differently. The CPU build of torch is asked for by name.
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
CONDA_OWN = {"python", "pip"}
ENVIRONMENTS = ["environment.yml", "binder/environment.yml"]
# Every Python that the course supports and tests.
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
SYSTEMS = ["linux", "darwin"]


def parse(requirements):
    """Return {name: set of specifiers}, with the ranges of a repeated name joined."""
    ranges = {}
    for text in requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        ranges[name] = ranges.get(name, SpecifierSet()) & requirement.specifier
    return ranges


@pytest.fixture(scope="module")
def extras(pyproject):
    return pyproject["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def core(pyproject):
    return pyproject["project"]["dependencies"]


@pytest.fixture(scope="module")
def pins(root):
    """The lines of requirements.txt as requirements."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned(pins, name, python, system):
    """Return the versions of `name` that requirements.txt asks for on one machine."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "platform_machine": {"linux": "x86_64", "darwin": "arm64"}[system],
        "os_name": "posix",
    }
    return [
        str(pin.specifier).removeprefix("==")
        for pin in pins
        if canonicalize_name(pin.name) == name
        and (pin.marker is None or pin.marker.evaluate(machine))
    ]


def conda(root, file):
    """Return the conda part of an environment file as {name: set of specifiers}, and the pip part.

    A conda line is `name ranges`, where a single `=` means "any of this series".
    """
    content = yaml.safe_load((root / file).read_text(encoding="utf-8"))
    assert content["channels"] == ["conda-forge"]
    ranges, pip = {}, []
    for line in content["dependencies"]:
        if isinstance(line, dict):
            pip += line["pip"]
            continue
        name, _, text = line.partition(" ")
        assert name not in ranges, f"{name} twice"
        ranges[name] = SpecifierSet(re.sub(r"(?<![<>=!~])=(?!=)([\d.]+)", r"==\1.*", text))
    return ranges, pip


def test_every_direct_dependency_has_a_lower_bound(core, extras):
    for text in [*core, *(line for lines in extras.values() for line in lines)]:
        operators = {one.operator for one in Requirement(text).specifier}
        assert operators & {">=", "=="}, text


def test_what_lessons_import_has_an_upper_bound(core):
    for text in core:
        assert "<" in {one.operator for one in Requirement(text).specifier}, text


def test_nbval_is_exact(extras):
    assert "nbval==0.11.*" in extras["test"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_is_pinned_once_within_its_range(
    pins, core, extras, python, system
):
    for text in [*core, *(line for lines in extras.values() for line in lines)]:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        found = pinned(pins, canonicalize_name(requirement.name), python, system)
        assert len(found) == 1, f"{requirement.name} on Python {python}, {system}: {found}"
        assert Version(found[0]) in requirement.specifier, f"{text}, pinned at {found[0]}"


def test_pictures_are_drawn_by_one_matplotlib_everywhere(pins):
    """nbval compares pictures; another series of matplotlib draws their text otherwise."""
    versions = {
        version
        for python in PYTHONS
        for system in SYSTEMS
        for version in pinned(pins, "matplotlib", python, system)
    }
    assert len(versions) == 1


def test_requirements_hold_pins_and_nothing_else(root):
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    name = r"[a-z0-9][a-z0-9.-]*"
    for number, line in enumerate(lines, 1):
        assert line.startswith("# ") or re.fullmatch(rf"{name}==[\w.]+( ; .+)?", line), (
            f"line {number} is no plain pin (no index, no hash, no URL, no option): {line!r}"
        )
    assert lines[1:] == sorted(lines[1:], key=lambda line: line.split("==")[0])


def test_requirements_leave_the_torch_build_open(pins):
    """A pin of CUDA's packages would bring them to a machine that asked for the CPU build."""
    assert not [pin.name for pin in pins if re.match(r"nvidia|cuda|triton", pin.name)]
    assert not [pin for pin in pins if "+" in str(pin.specifier)]


def test_torch_and_torchvision_fit_each_other(pins):
    """torchvision 0.N belongs to torch 2.(N - 15); since 0.29 it takes any later torch too."""
    for python in PYTHONS:
        torch, vision = (
            Version(pinned(pins, name, python, "linux")[0]) for name in ("torch", "torchvision")
        )
        assert torch.minor == vision.minor - 15 or vision >= Version("0.29"), (torch, vision)


@pytest.mark.parametrize("file", ENVIRONMENTS)
def test_conda_environment_has_the_packages_and_ranges_of_pyproject(root, core, extras, file):
    wanted = {
        CONDA_NAMES.get(name, name): ranges
        for name, ranges in parse([*core, *extras["lab"]]).items()
    }
    found, _ = conda(root, file)
    found = {name: ranges for name, ranges in found.items() if name not in CONDA_OWN}
    assert set(found) == set(wanted)
    # Of several lower bounds the highest counts.
    for name in wanted:
        assert _tightest(found[name]) == _tightest(wanted[name]), name


def _tightest(ranges):
    lower = [Version(one.version) for one in ranges if one.operator == ">="]
    rest = {str(one) for one in ranges if one.operator != ">="}
    return max(lower, default=None), rest


def test_conda_environment_has_the_python_of_pyproject(root, pyproject):
    found, _ = conda(root, "environment.yml")
    allowed = SpecifierSet(pyproject["project"]["requires-python"])
    assert _tightest(found["python"])[0] == _tightest(allowed)[0]
    assert all(Version(python) in found["python"] for python in PYTHONS)


def test_binder_runs_one_supported_python(root):
    found, _ = conda(root, "binder/environment.yml")
    assert sum(Version(python) in found["python"] for python in PYTHONS) == 1


def test_conda_environments_install_the_course(root):
    assert conda(root, "environment.yml")[1] == ["-e ."]
    # Binder runs pip in another folder; there postBuild installs the course.
    assert conda(root, "binder/environment.yml")[1] == []
    assert "pip install --no-deps" in (root / "binder/postBuild").read_text(encoding="utf-8")


def test_gpu_variant_has_the_range_of_the_cpu_one(root):
    text = (root / "environment.yml").read_text(encoding="utf-8")
    cpu = re.search(r"(?m)^  - pytorch-cpu (.+)$", text)
    gpu = re.search(r"(?m)^  # - pytorch-gpu (.+)$", text)
    assert cpu and gpu and cpu[1] == gpu[1]


def test_environments_have_one_name(root):
    names = {
        yaml.safe_load((root / file).read_text(encoding="utf-8"))["name"] for file in ENVIRONMENTS
    }
    assert names == {"neural-network-basics"}


def test_pythons_are_those_of_the_workflow(root):
    workflow = yaml.safe_load((root / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
