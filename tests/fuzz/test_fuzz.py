"""Whatever bytes somebody sends: each reader takes them as they stand or refuses them by name, and never anything else."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import bags
import pytest
from fuzzing import CORPUS, TARGETS, ReadDifferently, kept
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault import archive, bag

EXAMPLES = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = {name: target.seeds() for name, target in TARGETS.items()}
# Bytes that mean something to one of the readers.
WORDS = (
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\xff",
        b"\xef\xbb\xbf",
        b"-> ",
        b"--- ",
        b"=",
        b"/",
        b"..",
        b"\\",
        b"ustar\0",
        b"ustar  ",
    ),
    *(b"{", b"[", b'"', b",", b":", b"null", b"1e9", b"NaN", b"\\u0000", b"\\ud800", b"0", b"77777777777", b"\x80"),
    *(b"x", b"g", b"L", b"19 size=8589934592\n", b"GNU.sparse.name=", b"path=", bytes(512), bytes(1024)),
)


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_fuzzer_found_once_is_read_or_refused_by_name(name: str) -> None:
    inputs = kept(name)
    assert len(inputs) > 5
    taken = [TARGETS[name](data) for data in inputs]
    assert not all(taken)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_taken(name: str) -> None:
    # The last seed of archives announces 8 GiB and brings nothing.
    assert [TARGETS[name](data) for data in SEEDS[name]] == [True] * len(SEEDS[name][:2]) + [False] * len(
        SEEDS[name][2:]
    )


@st.composite
def altered(draw: st.DrawFn, name: str) -> bytes:
    """A seed with some places changed, taken out, doubled or exchanged."""
    data = bytearray(draw(st.sampled_from(SEEDS[name])))
    blocks = [1, 8, 512] if name in ("archive", "bag") else [1, 8]
    for _ in range(draw(st.integers(1, 4))):
        # What matters stands at the beginning of a bag, whose most part is padding.
        place = draw(st.integers(0, min(len(data), 12_000)))
        size = draw(st.sampled_from(blocks))
        kind = draw(st.sampled_from(["bit", "word", "insert", "cut", "double", "end"]))
        if kind == "bit" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind in ("word", "insert"):
            word = draw(st.sampled_from(WORDS))
            data[place : place + (len(word) if kind == "word" else 0)] = word
        elif kind == "cut":
            del data[place : place + size]
        elif kind == "double":
            data[place:place] = data[place : place + size]
        elif kind == "end":
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_altered_bytes_are_read_or_refused_by_name(name: str) -> None:
    @EXAMPLES
    @given(altered(name))
    def read(data: bytes) -> None:
        taken = TARGETS[name](data)
        # Digests and signatures cover every byte of a bag and a card. The others mean something else then.
        assert not taken or name in ("age-header", "archive", "sealed") or data in SEEDS[name]

    read()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused_by_name(name: str) -> None:
    @EXAMPLES
    @given(st.binary(max_size=4096))
    def read(data: bytes) -> None:
        TARGETS[name](data)

    read()


NAMES = st.sampled_from([f"HARBOUR-3/{name}" for name in (*bag.ORDER, bag.PADDING, "data/items/001.bin", "fetch.txt")])
CONTENTS = st.sampled_from([*bags.tags_of(bags.share()).values(), b"", b"x", bytes(512), bytes(60_000)])
KINDS = st.sampled_from([b"0"] * 12 + [b"\0", b"1", b"2", b"5", b"L", b"x", b"g", b"S"])


@EXAMPLES
@given(st.lists(st.tuples(NAMES, CONTENTS, KINDS), max_size=20))
def test_no_order_of_members_is_taken_for_a_bag_but_the_one(members: list[tuple[str, bytes, bytes]]) -> None:
    sink = io.BytesIO()
    for name, content, kind in members:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.mode = len(content), kind, 0o600
        head = archive.header(name, len(content)) if kind == b"0" else info.tobuf(tarfile.USTAR_FORMAT)
        sink.write(head + content + bytes(-len(content) % archive.BLOCK))
    sink.write(archive.END)
    assert not TARGETS["bag"](sink.getvalue())


def test_a_reader_that_overlooks_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def overlook(reader: archive.ArchiveReader, size_bytes: int) -> None:
        reader._fill(memoryview(bytearray(-size_bytes % archive.BLOCK)))

    monkeypatch.setattr(archive.ArchiveReader, "_skip_fill", overlook)
    hidden = bytearray(bags.packed([("TOP-1/a", b"x")]))
    hidden[600] = 1
    with pytest.raises(ReadDifferently):
        TARGETS["archive"](bytes(hidden))


def test_atheris_finds_nothing_in_a_few_seconds(tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        pytest.skip("left out: atheris is not installed")
    script = Path(__file__).with_name("with_atheris.py")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(each for each in sys.path if each))
    for name in ("archive", "sealed"):
        corpus = Path(shutil.copytree(CORPUS / name, tmp_path / name))
        done = subprocess.run(
            [sys.executable, script, name, corpus, "-runs=3000", "-seed=1", "-max_len=4096", "-rss_limit_mb=1024"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert b"Done 3000 runs" in done.stderr
