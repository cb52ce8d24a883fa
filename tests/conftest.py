"""What every test gets: a home of its own, the source tree, and a word about what could not be tried here."""

import gc
import importlib.util
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure the machine, not the code. `ci` tries the same cases in every run, and leaves no database behind.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# Where the built wheel is tested, the tests lie outside the checkout, and this variable says where that is.
SOURCE = Path(os.environ.get("CASEVAULT_SOURCE") or Path(__file__).parents[1]).resolve()
INSTALLED_WHEEL = "CASEVAULT_SOURCE" in os.environ

LEFT_OUT = "left out: "


def pytest_configure(config: pytest.Config) -> None:
    for name in ("vault", "crypto", "commands"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.is_relative_to(SOURCE) is INSTALLED_WHEEL:
            expected = "the installed wheel" if INSTALLED_WHEEL else str(SOURCE)
            raise pytest.UsageError(f"package {name} should come from {expected}, but comes from {origin}")


def pytest_collection_finish() -> None:
    # Thousands of tests were collected and stay: looked at for garbage again and again they take an eighth of the time.
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    return f"packages under test: {'the installed wheel' if INSTALLED_WHEEL else 'this checkout'}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        before, found, what = reason.partition(LEFT_OUT)
        if found and before in ("", "Skipped: "):
            reasons[what] += 1
    for what, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{LEFT_OUT}{what} ({count} {'test' if count == 1 else 'tests'})", yellow=True)


@pytest.fixture(scope="session")
def source() -> Path:
    """The checkout: documents, Makefile, vault.py. Not for importing: the packages under test may be installed ones."""
    return SOURCE


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("age")` is the path of a stock tool; without the tool the test is left out and the summary says so."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{LEFT_OUT}{name} is not installed")
        return path

    return find


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder on a disk in memory where there is one, for what fails or is killed hundreds of times."""
    import scenarios

    with tempfile.TemporaryDirectory(prefix="cv-", dir=scenarios.scratch()) as name:
        yield Path(name)


@pytest.fixture
def segments() -> Iterator[None]:
    """Objects have several files although they are small."""
    import scenarios

    with scenarios.small_segments():
        yield


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own, for this process and those it starts: no test sees or touches the user's vault.

    Its path is short, because an agent's socket must fit into 104 bytes.
    """
    tmp_path_factory.getbasetemp()  # made at its first use, which must not be inside the home of one test
    with tempfile.TemporaryDirectory(prefix="cv-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        for variable in [v for v in os.environ if v.startswith(("CASEVAULT_", "XDG_")) and v != "CASEVAULT_SOURCE"]:
            monkeypatch.delenv(variable)
        places = {
            "HOME": "home",
            "XDG_DATA_HOME": "home/.local/share",
            "XDG_CONFIG_HOME": "home/.config",
            "XDG_STATE_HOME": "home/.local/state",
            "XDG_CACHE_HOME": "home/.cache",
            "XDG_RUNTIME_DIR": "run",
            "TMPDIR": "tmp",
        }
        if os.name == "nt":
            places |= {
                "USERPROFILE": "home",
                "APPDATA": "home/Roaming",
                "LOCALAPPDATA": "home/Local",
                "TEMP": "tmp",
                "TMP": "tmp",
            }
        for variable, place in places.items():
            monkeypatch.setenv(variable, str(folder / place))
        for place in ("home", "run", "tmp"):
            (folder / place).mkdir(mode=0o700)
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGER", "EDITOR", "VISUAL"):
            monkeypatch.delenv(variable, raising=False)
        yield folder / "home"
