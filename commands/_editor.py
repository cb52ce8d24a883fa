"""An editor on the alternate screen for a text that is nowhere in the clear; the home of ``prompt_toolkit``.

What is typed goes from here to a ``Desk``, which seals and saves it. There is no history, no file, no clipboard but the
editor's own, no way to another program, and nothing stays on the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Literal, Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, Filter
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.bindings.basic import load_basic_bindings
from prompt_toolkit.key_binding.bindings.cpr import load_cpr_bindings
from prompt_toolkit.key_binding.bindings.scroll import scroll_page_down, scroll_page_up
from prompt_toolkit.layout import ConditionalContainer, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.utils import get_cwidth

from commands._errors import message_of
from commands._terminal import hidden, visible
from commands._text import _, ngettext
from commands._word_wrap import LONGEST_LINE, broken_at_words
from vault import errors

Ending = Literal["stored", "kept", "thrown away", "over", "gone"]

SAVE_EVERY_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.5
_MOST_UNDO_STEPS = 500
_MOST_UNDO_CHARACTERS = 8 << 20
_LONGEST_TITLE = 80
_TAB = "    "
_SURROGATES = re.compile("[\ud800-\udfff]")


class Desk(Protocol):
    """Where a text lies while it is written. All raise ``VaultError``."""

    def save(self, text: str) -> None:
        """Seal and save the draft. Called from another thread, too."""

    def store(self, text: str, title: str) -> None:
        """Store the text as an item."""

    def throw_away(self) -> None:
        """End without the text."""

    def is_over(self) -> bool:
        """Whether the session that gave the key has ended."""


class _Buffer(Buffer):
    """A buffer whose memory of earlier texts is bounded: each step of it is a whole text."""

    def save_to_undo_stack(self, clear_redo_stack: bool = True) -> None:
        super().save_to_undo_stack(clear_redo_stack)
        stack = self._undo_stack
        del stack[:-_MOST_UNDO_STEPS]
        size = sum(len(text) for text, _place in stack)
        while len(stack) > 1 and size > _MOST_UNDO_CHARACTERS:
            size -= len(stack.pop(0)[0])


class _Visible(Processor):
    """Shows what a terminal would obey, or not show, as ``<U+202E>``, and leaves the text as it is.

    In a text of many rows it breaks no word; a single one is moved to where the cursor stands.
    """

    def __init__(self, *, many_rows: bool) -> None:
        self._many_rows = many_rows

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        line = fragment_list_to_text(fragments)
        simple = (line.isascii() and line.isprintable()) or not any(hidden(char) for char in line)
        fits = not self._many_rows or len(line) > LONGEST_LINE or get_cwidth(line) <= transformation_input.width
        if simple and fits:
            return Transformation(fragments)
        shown = [_TAB if char == "\t" else visible(char) if hidden(char) else char for char in line]
        if self._many_rows:
            shown = broken_at_words(shown, [get_cwidth(look) for look in shown], transformation_input.width)
        starts = [0, *accumulate(len(look) for look in shown)]
        return Transformation(
            [("", "".join(shown))],
            source_to_display=lambda place: starts[min(place, len(starts) - 1)] + max(0, place - len(starts) + 1),
            display_to_source=lambda place: bisect_right(starts, place) - 1,
        )


# Whether a key begins a new step of undo. The library's own keys make one of each letter.


def _is_other_key(event: KeyPressEvent) -> bool:
    return not event.is_repeat


def _is_step(_event: KeyPressEvent) -> bool:
    return True


def _is_no_step(_event: KeyPressEvent) -> bool:
    return False


def _delete_before(buffer: Buffer) -> None:
    buffer.delete_before_cursor()


def _delete_after(buffer: Buffer) -> None:
    buffer.delete()


class Editor:
    """One text on the screen, from the first key to its ending."""

    def __init__(
        self,
        desk: Desk,
        *,
        heading: str,
        text: str,
        title: str | None,
        notice: str = "",
    ) -> None:
        self._desk = desk
        self._heading = heading
        self._given_title = title
        self._mode: Literal["text", "ending", "title", "sure"] = "text"
        self._failed = ""
        self._saved_text = text
        self._saved_at = time.localtime()
        self._counted: tuple[str, int] = ("", 0)
        self._buffer = _Buffer(multiline=True, on_text_insert=self._inserted, on_text_changed=self._changed)
        self._buffer.text = text
        self._buffer.cursor_position = len(text)
        self._buffer.reset(self._buffer.document)
        self._notice = notice
        self._title = Buffer(multiline=False)
        self._app: Application[Ending] = self._application()

    @property
    def _text(self) -> str:
        # Bytes that are no UTF-8 come from the keyboard as lone surrogates, which no text can hold.
        return _SURROGATES.sub("\ufffd", self._buffer.text)

    def run(self) -> Ending:
        """Write until the end. The text was saved, as far as that could be done, whatever the ending."""
        ending: Ending = "gone"
        try:
            ending = asyncio.run(self._run())
        except (EOFError, OSError):
            pass  # the terminal went away
        finally:
            if ending not in ("stored", "thrown away"):
                with contextlib.suppress(errors.VaultError, OSError):
                    self._desk.save(self._text)
        return ending

    async def _run(self) -> Ending:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        if sys.platform != "win32":
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
                loop.add_signal_handler(number, self._leave_at_once)
        self._app.create_background_task(self._keep_saving())
        self._app.create_background_task(self._keep_looking())
        return await self._app.run_async(set_exception_handler=False)

    def _broken(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        # The library would print the exception with what is in it.
        error = context.get("exception")
        self._save()
        if self._app.future is not None and not self._app.future.done():
            self._app.exit(exception=error if isinstance(error, Exception) else RuntimeError())

    # Saving

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_SECONDS)
            text = self._text
            if text != self._saved_text or self._failed:
                await self._save_beside(text)

    async def _save_beside(self, text: str) -> None:
        try:
            await asyncio.to_thread(self._desk.save, text)
        except (errors.VaultError, OSError) as error:
            self._not_saved(error)
        else:
            self._is_saved(text)

    def _save(self) -> None:
        text = self._text
        try:
            self._desk.save(text)
        except (errors.VaultError, OSError) as error:
            self._not_saved(error)
        else:
            self._is_saved(text)

    def _is_saved(self, text: str) -> None:
        self._saved_text, self._saved_at, self._failed = text, time.localtime(), ""
        self._app.invalidate()

    def _not_saved(self, error: BaseException) -> None:
        if not self._failed:
            self._app.output.bell()
        reason = message_of(error) if isinstance(error, errors.VaultError) else type(error).__name__
        self._failed = _("NOT SAVED: {reason}. The text is still here, and saving is tried again.").format(
            reason=reason
        )
        self._app.invalidate()

    # Looking around

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if self._desk.is_over():
                self._save()
                self._leave("over")
            elif sys.platform != "win32" and not os.isatty(0):
                self._leave_at_once()
            text = self._buffer.text
            if text is not self._counted[0]:
                self._counted = (text, len(text.split()))
                self._app.invalidate()

    def _leave_at_once(self) -> None:
        self._save()
        self._leave("gone")

    def _leave(self, ending: Ending) -> None:
        if self._app.future is not None and not self._app.future.done():
            self._app.exit(result=ending)

    def _inserted(self, buffer: Buffer) -> None:
        # Else a whole paragraph would be one step, and one key would take it back.
        if buffer.document.char_before_cursor.isspace():
            buffer.save_to_undo_stack()

    def _changed(self, _buffer: Buffer) -> None:
        self._notice = ""

    # What is seen

    def _application(self) -> Application[Ending]:
        text = Window(BufferControl(self._buffer, input_processors=[_Visible(many_rows=True)]), wrap_lines=True)
        self._title_window = Window(BufferControl(self._title, input_processors=[_Visible(many_rows=False)]), height=1)
        asking = ConditionalContainer(
            VSplit([Window(FormattedTextControl(lambda: _("Title: ")), dont_extend_width=True), self._title_window]),
            filter=Condition(lambda: self._mode == "title"),
        )
        root = HSplit(
            [
                Window(FormattedTextControl(self._heading_line), height=1, style="reverse"),
                text,
                asking,
                Window(
                    FormattedTextControl(self._status_line), wrap_lines=True, dont_extend_height=True, style="reverse"
                ),
            ]
        )
        self._text_window = text
        return Application(
            layout=Layout(root, focused_element=text),
            key_bindings=merge_key_bindings([load_basic_bindings(), load_cpr_bindings(), self._bindings()]),
            full_screen=True,
            erase_when_done=True,
            mouse_support=False,
        )

    def _heading_line(self) -> StyleAndTextTuples:
        return [("", self._heading)]

    def _status_line(self) -> StyleAndTextTuples:
        if self._mode == "ending":
            status = _("1 store as an item   2 keep as a draft   3 throw away   Esc go on writing")
        elif self._mode == "sure":
            status = _("Throw this text away for good?   3 throw away   Esc go on writing")
        elif self._mode == "title":
            status = _("Enter stores the text under this title.   Esc go on writing")
        else:
            words = self._counted[1]
            status = _("Saved {time}   {words}   F2 or Ctrl-S save   F10 or Ctrl-Q end   Ctrl-Z undo").format(
                time=time.strftime("%H:%M:%S", self._saved_at),
                words=ngettext("{number} word", "{number} words", words).format(number=words),
            )
        said = "\n".join(part for part in (self._failed, self._notice) if part)
        return [("", f"{said}\n{status}" if said else status)]

    # Keys

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        in_text, in_ending, in_title, in_sure = (
            Condition(lambda mode=mode: self._mode == mode)  # type: ignore[misc]  # mypy cannot infer a default's type
            for mode in ("text", "ending", "title", "sure")
        )

        def on(
            *names: str, when: Filter, eager: bool = False, step: Callable[[KeyPressEvent], bool] = _is_no_step
        ) -> Callable[[Callable[[KeyPressEvent], None]], None]:
            def bind(function: Callable[[KeyPressEvent], None]) -> None:
                for name in names:
                    keys.add(name, filter=when, eager=eager, save_before=step)(function)

            return bind

        on("c-s", "f2", when=in_text)(lambda _event: self._save())
        on("c-q", "c-x", "c-c", "f10", when=in_text)(lambda _event: self._turn("ending"))
        on("c-z", when=in_text)(lambda _event: self._buffer.undo())
        on("c-y", when=in_text)(lambda _event: self._buffer.redo())
        on("c-v", when=in_text, step=_is_step)(
            lambda event: self._buffer.paste_clipboard_data(event.app.clipboard.get_data())
        )
        on("pageup", when=in_text)(scroll_page_up)
        on("pagedown", when=in_text)(scroll_page_down)
        on("c-home", when=in_text)(lambda _event: self._go_to(0))
        on("c-end", when=in_text)(lambda _event: self._go_to(len(self._buffer.text)))
        # The library's own would indent the new line like the one before.
        on("enter", when=in_text, step=_is_step)(lambda _event: self._buffer.insert_text("\n"))
        on("tab", when=in_text, step=_is_step)(lambda _event: self._buffer.insert_text("\t"))
        on("c-up", "c-down", "c-l", "c-d", "s-tab", when=in_text)(lambda _event: None)

        typing = in_text | in_title
        on("<any>", when=typing, step=_is_other_key)(lambda event: event.current_buffer.insert_text(event.data))
        on("backspace", when=typing, step=_is_other_key)(lambda event: _delete_before(event.current_buffer))
        on("delete", when=typing, step=_is_other_key)(lambda event: _delete_after(event.current_buffer))

        asking = in_ending | in_sure
        on("<any>", when=asking, eager=True)(lambda _event: None)
        on("enter", "c-j", "<bracketed-paste>", "c-z", when=asking, eager=True)(lambda _event: None)
        on("1", when=in_ending, eager=True)(lambda _event: self._ask_title())
        on("2", when=in_ending, eager=True)(lambda _event: self._keep())
        on("3", when=in_ending, eager=True)(lambda _event: self._turn("sure"))
        on("3", when=in_sure, eager=True)(lambda _event: self._throw_away())
        on("enter", "c-j", when=in_title, eager=True)(lambda _event: self._store())
        on("c-z", "c-up", "c-down", "up", "down", when=in_title)(lambda _event: None)
        on("escape", "c-c", when=asking | in_title, eager=True)(lambda _event: self._turn("text"))
        return keys

    def _go_to(self, place: int) -> None:
        self._buffer.cursor_position = place

    def _turn(self, mode: Literal["text", "ending", "title", "sure"]) -> None:
        self._mode = mode
        self._app.layout.focus(self._title_window if mode == "title" else self._text_window)

    def _ask_title(self) -> None:
        if not self._text.strip():
            self._notice = _("There is no text yet.")
            self._turn("text")
            return
        first_line = " ".join(self._text.strip().split("\n", 1)[0].split())
        proposed = self._given_title or first_line[:_LONGEST_TITLE]
        self._title.text = proposed
        self._title.cursor_position = len(proposed)
        self._turn("title")

    def _store(self) -> None:
        title = _SURROGATES.sub("\ufffd", self._title.text).strip()
        if not title:
            self._notice = _("A title is needed.")
            return
        try:
            self._desk.store(self._text, title)
        except (errors.VaultError, OSError) as error:
            reason = message_of(error) if isinstance(error, errors.VaultError) else type(error).__name__
            self._notice = _("Not stored: {reason}. The text is still here.").format(reason=reason)
            self._app.output.bell()
            self._turn("text")
            return
        self._leave("stored")

    def _keep(self) -> None:
        self._save()
        if self._failed:
            self._turn("text")
        else:
            self._leave("kept")

    def _throw_away(self) -> None:
        try:
            self._desk.throw_away()
        except (errors.VaultError, OSError) as error:
            reason = message_of(error) if isinstance(error, errors.VaultError) else type(error).__name__
            self._notice = _("Not thrown away: {reason}").format(reason=reason)
            self._turn("text")
            return
        self._leave("thrown away")
