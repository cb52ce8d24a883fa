"""A command that needs one module does not pay for the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import crypto

ROOT = Path(crypto.__file__).resolve().parents[1]
HOMES = {"nacl": {"kdf", "ed25519", "signing", "sshsig"}, "mnemonic": set()}
MODULES = sorted(path.stem for path in (ROOT / "crypto").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_it_needs(module):
    code = f"import sys, crypto.{module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "crypto" in loaded
    assert {package for package in HOMES if package in loaded} == {
        package for package, at in HOMES.items() if module in at
    }
    if module in {"errors", "labels", "encoding", "padding", "tree", "commitments", "chain", "words", "ed25519"}:
        assert "cryptography" not in loaded
