"""The Tab key: commands, options and file names, in the shells themselves. It opens no vault and knows no case."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import commands
from commands import cli
from commands.completion import VARIABLE

ROOT = Path(commands.__file__).resolve().parents[1]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which `casevault` is found."""
    script = tmp_path / "bin" / "casevault"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m commands "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "LANGUAGE": "en"}


def in_shell(shell: str, script: str, environment: dict[str, str], folder: Path) -> str:
    options = {"zsh": ["-f"], "fish": ["--no-config"], "bash": ["--norc"]}[Path(shell).name]
    done = subprocess.run(
        [shell, *options, "-c", script], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IN_BASH = """
eval "$(casevault completion bash)"
complete -p casevault >/dev/null || exit 1
COMP_WORDS=({words}) COMP_CWORD={number}
_casevault_completion casevault {last}
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("casevault ca", ["case", "cat"]),
        ("casevault case n", ["new"]),
        ("casevault key add --ki", ["--kind"]),
        ("casevault key add --kind rec", ["recovery"]),
        ("casevault items --js", ["--json"]),
        ("casevault completion f", ["fish"]),
        ("casevault help case sh", ["show"]),
        ("casevault items HARB", []),
        ("casevault show HARBOUR/", []),
    ],
)
def test_bash_completes_commands_and_options(
    line: str, expected: list[str], installed: dict[str, str], program: Callable[[str], str], tmp_path: Path
) -> None:
    words = line.split()
    script = IN_BASH.format(words=" ".join(words), number=len(words) - 1, last=words[-1])
    assert in_shell(program("bash"), script, installed, tmp_path).split() == expected


def test_bash_leaves_names_of_files_to_the_shell(
    installed: dict[str, str], program: Callable[[str], str], tmp_path: Path
) -> None:
    for line in ("casevault add HARBOUR fil", "casevault --vault fil", "casevault --passphrase-file fil"):
        words = line.split()
        environment = installed | {VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        done = subprocess.run(["casevault"], env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert done.stdout.splitlines() == ["file,fil"], line


def test_fish_completes_commands_and_options(
    installed: dict[str, str], program: Callable[[str], str], tmp_path: Path
) -> None:
    script = "casevault completion fish | source; complete -C 'casevault ca'; complete -C 'casevault case new --co'"
    shown = in_shell(program("fish"), script, installed, tmp_path).splitlines()
    assert [line.split("\t")[0] for line in shown] == ["case", "cat", "--code"]


def test_zsh_takes_the_script_and_registers_it(
    installed: dict[str, str], program: Callable[[str], str], tmp_path: Path
) -> None:
    script = (
        'autoload -Uz compinit && compinit -u -d ./dump; eval "$(casevault completion zsh)"; echo $_comps[casevault]'
    )
    assert in_shell(program("zsh"), script, installed, tmp_path).split() == ["_casevault_completion"]
    answers = installed | {VARIABLE: "zsh_complete", "COMP_WORDS": "casevault ca", "COMP_CWORD": "1"}
    done = subprocess.run(["casevault"], env=answers, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[:2] == ["plain", "case"]


def places(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from places(command, (*path, name))


def test_no_completion_opens_a_vault_asks_anything_or_names_a_case(
    harbour: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands import _session, _terminal
    from vault import Vault

    monkeypatch.setattr(Vault, "open", lambda *_, **__: pytest.fail("a vault was opened"))
    monkeypatch.setattr(_session, "read_key_file", lambda *_: pytest.fail("a key file was read"))
    monkeypatch.setattr(_terminal, "ask_secret", lambda *_: pytest.fail("something was asked"))
    monkeypatch.setattr(_terminal, "ask", lambda *_: pytest.fail("something was asked"))
    monkeypatch.setenv(VARIABLE, "bash_complete")
    before = sorted((path, path.stat().st_mtime_ns) for path in harbour.vault.rglob("*"))
    tried = 0
    for path in places(cli.root):
        for further in ("", "H", "-", "HARBOUR/", "--title "):
            line = [*map(str, ("casevault", *harbour.options)), *path, *further.split(" ")]
            monkeypatch.setenv("COMP_WORDS", " ".join(line))
            monkeypatch.setenv("COMP_CWORD", str(len(line) - 1))
            with pytest.raises(SystemExit) as ended:
                cli.main([])
            assert ended.value.code == 0
            shown = capsys.readouterr()
            assert "HARBOUR" not in shown.out.replace("file,HARBOUR/", "").replace("dir,HARBOUR/", "")
            assert shown.err == ""
            tried += bool(shown.out)
    assert tried > 40
    assert sorted((path, path.stat().st_mtime_ns) for path in harbour.vault.rglob("*")) == before


def test_completing_commands_loads_none_of_them_and_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('LOADED', *sorted(sys.modules), file=sys.stderr))\n"
        "from commands.cli import main\nmain([])\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        VARIABLE: "bash_complete",
        "COMP_WORDS": "casevault ca",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["plain,case", "plain,cat"]
    loaded = set(done.stderr.split("LOADED", 1)[1].split())
    assert not {f"commands.{name}" for name in ("case", "read", "init", "key")} & loaded
    assert not {"rich", "cryptography", "sqlcipher3", "nacl", "vault._vault"} & {name.split(".")[0] for name in loaded}
