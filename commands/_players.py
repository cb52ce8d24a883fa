"""The programs that show what a terminal can't, and how they are kept from leaving a trace.

One table of them; nobody can name another. None learns a secret through its arguments or variables: the address of the
stream goes through a descriptor that only the player has. None reads a configuration, writes a history, or has a home.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from commands._content import Media
from vault import platform

# No file can be made below it, not even by an administrator.
_NOWHERE = "/dev/null"
_TOLD = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "PULSE_SERVER", "LANG", "LANGUAGE", "LC_ALL")
_FOLDERS = (
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "MPV_HOME",
    "PATH",
)
_NO_CACHES = {"MESA_SHADER_CACHE_DISABLE": "true", "MESA_GLSL_CACHE_DISABLE": "true", "__GL_SHADER_DISK_CACHE": "0"}

_OPTIONS = (
    "--no-config",
    "--idle=once",  # it waits for the address, and ends after what it was given
    "--terminal=no",
    "--input-terminal=no",
    # The usual keys write screenshots and run commands.
    "--input-default-bindings=no",
    "--load-scripts=no",
    "--ytdl=no",
    "--resume-playback=no",
    "--save-position-on-quit=no",
    "--screenshot-directory=/dev/null",
    # What the item itself asks for: other files, other addresses, lists.
    "--access-references=no",
    "--load-unsafe-playlists=no",
    "--sub-auto=no",
    "--audio-file-auto=no",
    "--cover-art-auto=no",
    "--embeddedfonts=no",
    "--stream-lavf-o=protocol_whitelist=[http,tcp]",
    "--demuxer=lavf",
    # What was shown is not kept: our stream seeks as fast as memory.
    "--cache=no",
    "--cache-on-disk=no",
    "--image-display-duration=inf",
    "--autofit-larger=90%x90%",
)
# Options that not every version has; they go through the descriptor, where an unknown one is no error.
_IF_KNOWN = {"autoload-files": False, "gpu-shader-cache": False, "icc-cache": False, "drag-and-drop": "no"}
_KEYS = {
    "SPACE": "cycle pause",
    "p": "cycle pause",
    "LEFT": "seek -5",
    "RIGHT": "seek 5",
    "DOWN": "seek -60",
    "UP": "seek 60",
    "HOME": "seek 0 absolute",
    "END": "seek 100 absolute-percent",
    ".": "frame-step",
    ",": "frame-back-step",
    "[": "multiply speed 0.9",
    "]": "multiply speed 1.1",
    "BS": "set speed 1",
    "9": "add volume -2",
    "0": "add volume 2",
    "m": "cycle mute",
    "f": "cycle fullscreen",
    "r": "cycle-values video-rotate 90 180 270 0",
    "+": "add video-zoom 0.1",
    "-": "add video-zoom -0.1",
    "ALT+LEFT": "add video-pan-x 0.1",
    "ALT+RIGHT": "add video-pan-x -0.1",
    "ALT+UP": "add video-pan-y 0.1",
    "ALT+DOWN": "add video-pan-y -0.1",
    "o": "show-progress",
    "q": "quit",
    "ESC": "quit",
    "CLOSE_WIN": "quit",
}
_MOST_HEARD_BYTES = 1 << 20


def found(name: str, *places: str) -> str | None:
    """Where a program is installed, if it is; ``places`` are looked at after the folders of PATH."""
    return shutil.which(name) or next((place for place in places if os.access(place, os.X_OK)), None)


def has_screen() -> bool:
    """Whether there is a graphical screen that a player could open a window on."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def environment() -> dict[str, str]:
    """What a player is told of its surroundings: where screen and sound are, and no place to write to."""
    told = {name: os.environ[name] for name in _TOLD if name in os.environ}
    home = os.environ.get("HOME")
    if "DISPLAY" in told and "XAUTHORITY" not in told and home:
        told["XAUTHORITY"] = os.path.join(home, ".Xauthority")  # noqa: PTH118 -- a variable's text
    runtime = told.get("XDG_RUNTIME_DIR")
    if runtime and not os.path.isdir(os.path.join(runtime, "pulse")):  # noqa: PTH112, PTH118 -- as above
        told["PULSE_RUNTIME_PATH"] = _NOWHERE  # no sound server is there, and its library would make that folder
    # Without PATH a player can start no other program; without a proxy it asks nobody else for our stream.
    return told | dict.fromkeys(_FOLDERS, _NOWHERE) | _NO_CACHES | {"no_proxy": "*"}


def start(
    argv: Sequence[str],
    *,
    descriptors: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    memory_bytes: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that ends with this one and takes no more memory than it may, where the system can do that. It
    shares no terminal with us.

    It inherits the prohibition of core dumps.
    """
    return subprocess.Popen(
        argv,
        env=environment(),
        cwd="/",
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=platform.ending_with_this_process(memory_bytes=memory_bytes),  # noqa: PLW1509 -- nothing of ours has threads here
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )


class Mpv:
    """mpv showing what it is told to, in one window; a context manager, at whose end it has ended.

    ``orders`` are the words of further keys that somebody pressed: see ``bind``. ``shown`` is whether anything was
    shown or heard, or a person did not wait for it, ``complaint`` what mpv says of what it could not show.
    """

    def __init__(self, program: str, media: Media, *, title: str, options: Sequence[str] = ()) -> None:
        self._argv = [program, *_OPTIONS, f"--demuxer-lavf-format={media.format}", *options]
        self._title = title
        self._heard = b""
        self.orders: list[str] = []
        self.shown = False
        self.complaint = ""

    def __enter__(self) -> Mpv:
        self.socket, theirs = socket.socketpair()
        # When ours is closed, because we have ended however, the player quits.
        listening = f"--input-ipc-client=fd://{theirs.fileno()}"
        try:
            self.process = start([*self._argv, listening], descriptors=[theirs.fileno()])
        except OSError:
            self.socket.close()
            raise
        finally:
            theirs.close()
        for name, value in _IF_KNOWN.items():
            self.tell("set_property", f"options/{name}", value)
        for name in ("title", "force-media-title"):
            self.tell("set_property", f"options/{name}", self._title)
        for key, what in _KEYS.items():
            self.tell("keybind", key, what)
        return self

    def show(self, address: str) -> None:
        """Show what is there, in place of what was shown before."""
        self.tell("loadfile", address)

    def bind(self, key: str, order: str) -> None:
        """Let a key put a word into ``orders``."""
        self.tell("keybind", key, f"script-message {order}")

    def tell(self, *command: object) -> None:
        """Give it an order; one that has ended hears nothing."""
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps({"command": command}).encode() + b"\n")

    def hear(self) -> bool:
        """Take in what it says, when there is something; False once it has hung up."""
        try:
            part = self.socket.recv(65536)
        except OSError:
            return False
        *lines, self._heard = (self._heard + part).split(b"\n")
        if len(self._heard) > _MOST_HEARD_BYTES:
            return False
        for line in lines:
            with contextlib.suppress(ValueError, AttributeError):
                self._take_in(json.loads(line))
        return bool(part)

    def _take_in(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name == "playback-restart":
            self.shown = True
        elif name == "client-message":
            self.orders += [str(word) for word in event.get("args", [])[:1]]
        elif name == "end-file" and event.get("reason") == "error":
            self.complaint = str(event.get("file_error", ""))
        elif name == "end-file" and event.get("reason") == "quit":
            self.shown = True  # a person closed it before there was anything to see

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        end(self.process, at_once=kind is not None)


def end(process: subprocess.Popen[bytes], *, at_once: bool) -> None:
    """End a program and what it started; one that is ending by itself gets a moment for it."""
    if not at_once:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
