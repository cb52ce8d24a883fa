"""The wheel holds the three packages, whole, and nothing else; the lock files agree with pyproject.toml."""

import configparser
import email
import email.message
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from vault._version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = ("vault", "crypto", "commands")


def build(source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked by pip, with its console command in bin."""
    folder = tmp_path_factory.mktemp("site")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], env=environment, check=True)
    return folder


@pytest.fixture(scope="module")
def project(source: Path) -> dict[str, object]:
    return tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"casevault-{__version__}.dist-info/METADATA"))


def test_the_wheel_holds_every_file_of_the_three_packages_and_nothing_else(wheel: Path, source: Path) -> None:
    tree = {
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith(f"casevault-{__version__}.dist-info/")}
        manual = archive.read(f"casevault-{__version__}.data/data/share/man/man1/casevault.1")
    assert names == tree | {f"casevault-{__version__}.data/data/share/man/man1/casevault.1"}
    assert manual == (source / "docs" / "casevault.1").read_bytes()
    assert {f"{package}/__init__.py" for package in PACKAGES} | {"vault/py.typed"} <= names


def test_the_wheel_runs_on_every_platform_and_names_its_version(wheel: Path) -> None:
    assert wheel.name == f"casevault-{__version__}-py3-none-any.whl"


def test_no_index_would_accept_the_wheel(metadata: email.message.Message) -> None:
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])


def test_the_metadata_says_what_the_project_says(metadata: email.message.Message, project: dict) -> None:
    assert metadata["Name"] == "casevault"
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == project["project"]["requires-python"]
    assert {str(Requirement(r)) for r in metadata.get_all("Requires-Dist")} == {
        str(Requirement(r)) for r in project["project"]["dependencies"]
    }


def test_the_one_console_command_is_casevault(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"casevault-{__version__}.dist-info/entry_points.txt").decode()
    entries = configparser.ConfigParser()
    entries.read_string(text)
    assert {section: dict(entries[section]) for section in entries.sections()} == {
        "console_scripts": {"casevault": "commands.__main__:start"}
    }


def test_the_same_tree_gives_the_same_bytes(wheel: Path, source: Path, tmp_path: Path) -> None:
    again = build(source, tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()


def test_the_installed_command_prints_its_name_and_version(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(site / "bin" / "casevault"), "--version"]
    if os.name == "nt":
        command = [str(site / "bin" / "casevault.exe"), "--version"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"casevault {__version__}\n", "")


def pins(lock: Path) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, set()).add(Version(version))
    return found


@pytest.fixture(scope="module")
def locked(source: Path) -> Callable[[str], dict[str, set[Version]]]:
    return lambda name: pins(source / "requirements" / f"{name}.lock")


def test_the_locks_satisfy_every_floor(project: dict, locked: Callable[[str], dict[str, set[Version]]]) -> None:
    floors = {"run": project["project"]["dependencies"]}
    floors["offline"] = floors["run"] + project["dependency-groups"]["offline"]
    floors["dev"] = floors["run"] + project["dependency-groups"]["dev"]
    for lock, requirements in floors.items():
        for requirement in map(Requirement, requirements):
            versions = locked(lock)[requirement.name]
            assert all(version in requirement.specifier for version in versions), (lock, str(requirement))


def test_the_tests_run_with_the_versions_that_users_install(locked: Callable[[str], dict[str, set[Version]]]) -> None:
    assert locked("run").items() <= locked("dev").items()
    assert locked("run").items() <= locked("offline").items()


@pytest.mark.parametrize("name", ["run", "dev", "offline"])
def test_a_lock_has_a_hash_for_everything_and_no_address(source: Path, name: str) -> None:
    text = (source / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)
