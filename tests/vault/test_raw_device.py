"""Keys of the log that signed are gone from the device itself, where one can be mounted: not only from files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import drawn_seeds, key_file, make_vault

from vault.logkey import LogKey

SIZE = 48 << 20


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image, and where the file system in it is mounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("left out: mounting a loop device needs root")
    image, place = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(SIZE)
    place.mkdir()
    try:
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("left out: no loop device can be mounted here")
    try:
        yield image, place
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_no_block_of_a_key_that_signed_can_be_found_on_the_raw_device(
    mounted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, place = mounted
    blocks: list[bytes] = []
    sealed = LogKey._sealed

    def remembered(self: LogKey, held: object) -> bytes:
        block = sealed(self, held)  # type: ignore[arg-type]  # what it is given is passed on
        blocks.append(block)
        return block

    monkeypatch.setattr(LogKey, "_sealed", remembered)
    seeds = drawn_seeds(monkeypatch)
    with make_vault(place / "v") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        for number in range(50):
            vault.cases.get("HARBOUR").note(f"remark {number}")
        vault.change_passphrase(key_file(), key_file(1))
        for number in range(20):
            vault.cases.get("HARBOUR").note(f"remark after the change {number}")
    subprocess.run(["umount", str(place)], check=True)
    raw = image.read_bytes()
    assert len(blocks) > 200
    assert blocks[-1] in raw, "the search finds what is there"
    # A sealed block is as good as the key to whoever learns the vault's key.
    assert not [number for number, block in enumerate(blocks[:-1]) if block[:64] in raw]
    assert not [seed for seed in seeds if seed in raw]
