"""The text of a staged object, read back from its sealed bytes when it is stored.

What comes from others may hold any number of texts. None of them is kept meanwhile: they are read and indexed one at a time.
"""

from __future__ import annotations

from pathlib import Path

from crypto.errors import CryptoError
from crypto.keys import ObjectKey
from crypto.objects import StreamDecryptor, ciphertext_size, object_context
from crypto.padding import padded_size
from vault import errors, files, intake
from vault.objects import Staged, staged_path


def text_of(staged: Staged, folder: Path, name: str | None, *, folder_id: bytes, case_id: bytes) -> str | None:
    """The text of what was staged in ``folder`` and is called ``name``; None of what is not searched.

    Raises ``ObjectDamaged`` and ``ObjectMissing`` where the staged bytes are not what was written, ``DiskFailed`` where they
    cannot be read.
    """
    if not intake.is_searched(name, staged.size_bytes):
        return None
    path = staged_path(folder, staged.object_id, 0)
    expected_bytes = ciphertext_size(padded_size(staged.size_bytes))
    try:
        with files.translated(path), path.open("rb") as file:
            sealed = file.read(expected_bytes)
    except FileNotFoundError:
        raise errors.ObjectMissing(what=path.name) from None
    context = object_context(folder_id=folder_id, case_id=case_id, object_id=staged.object_id, segment=0)
    decryptor = StreamDecryptor(ObjectKey(staged.key), context)
    opened = bytearray(StreamDecryptor.output_size(len(sealed)))
    try:
        size = decryptor.update_into(sealed, opened)
        opened[size:] = decryptor.finalize()
    except CryptoError:
        raise errors.ObjectDamaged(what=path.name) from None
    return intake.text_of(opened[: staged.size_bytes])
