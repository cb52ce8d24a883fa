"""Domain separation: each purpose of a key or a hash has one label, and each label stands here once.

A label's version changes when the meaning of the bytes under it changes; an old label is never given a new meaning.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

# Under the vault key
HEADER_MAC: Final = b"casevault/v1/header-mac"
VAULT_DATABASE: Final = b"casevault/v1/vault-database"
LOGKEY: Final = b"casevault/v1/logkey"

# Secrets that open the header
SEED_SECRET: Final = b"casevault/v1/seed-secret"
SLOT: Final = b"casevault/v1/slot"

# Under a case key
CASE_DATABASE: Final = b"casevault/v1/case-database"
CASE_LOG: Final = b"casevault/v1/case-log"
CASE_TITLE: Final = b"casevault/v1/case-title"
LOG_KEY_WRAP: Final = b"casevault/v1/log-key-wrap"
DRAFT_KEY_WRAP: Final = b"casevault/v1/draft-key-wrap"
CASE_SHARES: Final = b"casevault/v1/case-shares"

# Under the key of the vault's log bodies
BOOT_ID: Final = b"casevault/v1/boot-id"

# Sealed values
LOG_BODY: Final = b"casevault/v1/log-body"
OBJECT: Final = b"casevault/v1/object"
MARK: Final = b"casevault/v1/mark"
DRAFT: Final = b"casevault/v1/draft-text"
GENERATIONS: Final = b"casevault/v1/generations"
BACKUP: Final = b"casevault/v1/backup"

# Hashes
COMMITMENT: Final = b"casevault/v1/commitment"
CHANGE: Final = b"casevault/v1/change"
FAILURES: Final = b"casevault/v1/failures"
DELETED_CASE: Final = b"casevault/v1/deleted-case"
FINGERPRINT: Final = b"casevault/v1/fingerprint"


class SignedKind(Enum):
    """What an identity signs: the namespace of the SSHSIG and, in the same bytes, the context of the ML-DSA signature.

    OpenSSH's own namespaces have this form. A signature of one kind is none of another.
    """

    SEALED_FILE = b"casevault-sealed@v1"
    CARD = b"casevault-card@v1"
    GENERATION = b"casevault-generation@v1"
    RECEIPT = b"casevault-receipt@v1"
