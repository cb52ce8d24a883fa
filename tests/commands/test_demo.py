"""The demo tells the whole story, leaves nothing, and fails loudly when something does not hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands import _media, demo
from commands._errors import Stop
from commands._options import Settings
from commands._output import Output
from commands._telling import environment


@pytest.mark.slow
def test_the_demo_ends_well_and_leaves_nothing(cv: Any, home: Path) -> None:
    done = cv.bare("demo", "--json")
    story = json.loads(done.stdout)
    assert len(story["steps"]) == 18
    for said in (
        "$ casevault init",
        "HARBOUR/1",
        "original, vault, export and digest file agree",
        "none of",
        "status 12",
        "status 20",
        "nothing is damaged, nothing unread",
        "compared by voice",
        "status 15",
        "status 22",
        "bit for bit what was sealed",
        "has confirmed that all of it came",
        "finds that every step holds",
        "does not find it where one step was taken out",
        "is not the one that had this head",
        "Removed ",
    ):
        assert said in done.stderr, said
    assert not Path(story["removed"]).exists()
    left = [path for path in home.parent.rglob("*") if path.is_file()]
    assert left == []


@pytest.fixture
def story(tmp_path: Path) -> Any:
    told = demo._Story(tmp_path, Output(Settings(json=True)))
    told.unlocked_by = "phrase"
    told.environment = environment(tmp_path, computer="here")
    (tmp_path / "phrase").write_text("x" * 20)
    return told


def test_a_step_that_ends_otherwise_fails_the_demo_by_name(story: Any, capsys: pytest.CaptureFixture[str]) -> None:
    story.step("The step that fails")
    with pytest.raises(Stop, match=r"The step that fails.*ended with 10, not 0") as failed:
        story.run("case", "list")
    assert failed.value.status == 1
    with pytest.raises(Stop, match="ended with 10, not 12"):
        story.run("case", "list", expect=12)
    story.run("case", "list", expect=10)


def test_a_name_in_the_clear_fails_the_demo(story: Any, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (tmp_path / "statement.txt").write_text(demo._STATEMENT, encoding="utf-8")
    story.video, story.photo, _sentence = _media.prepare(tmp_path / "stick")
    for number in range(6):
        (vault / f"{number}").write_bytes(b"nothing")
    for leak in (
        demo._TITLE.encode(),
        demo._NAME.encode("utf-16-le"),
        story.photo.read_bytes(),
        b"..." + demo._STATEMENT.encode(),
    ):
        (vault / "3").write_bytes(b"before" + leak + b"after")
        story.step("Searching")
        with pytest.raises(Stop, match="is nowhere"):
            story._nothing_in_the_clear()


def test_where_no_real_media_are_the_demo_makes_its_own_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_media, "_SAMPLES", tmp_path / "none")
    monkeypatch.setattr(_media, "_film_of_a_package", lambda: None)
    video, photo, sentence = _media.prepare(tmp_path / "stick")
    assert video.read_bytes().startswith(b"RIFF")
    assert photo.read_bytes().startswith(b"\x89PNG")
    assert "made here" in sentence
    real = tmp_path / "none" / "movie1"
    real.mkdir(parents=True)
    (real / "a.mp4").write_bytes(b"real" * 1000)
    video, photo, sentence = _media.prepare(tmp_path / "stick2")
    assert video.read_bytes() == b"real" * 1000
    assert "No real photo" in sentence
