"""What the fields of the JSON documents mean: docs/commands.md is made of it, and a test compares it with what comes out."""

from __future__ import annotations

CASE = {
    "code": "how the case is named",
    "title": "its title",
    "created": "when it was made (UTC)",
    "changed": "when it was last changed (UTC)",
    "items": "number of items",
    "persons": "number of persons",
}

CASE_DETAILS = CASE | {
    "description": "text, or null",
    "notes": "list of `text`, `written`",
    "tags": "list of text",
    "history": "what was replaced: list of `when`, `field`, `before`, `after`",
    "disposals": "what was deleted: list of `reference`, `when`, `reason`",
    "size_bytes": "size of all items",
}

ITEM = {
    "reference": "how the item is named",
    "kind": "statement, video, audio, photo, document or other",
    "title": "its title",
    "size_bytes": "its size",
    "added": "when it was stored (UTC)",
    "recorded": "when it was recorded, as given, or null",
    "tags": "list of text",
    "revises": "the item of which this is a later version, or null",
}

ITEM_DETAILS = ITEM | {
    "file_name": "the name it had, or null",
    "media_type": "the media type that the name suggests, or null",
    "sha256": "digest of its bytes",
    "sha512": "digest of its bytes, or null",
    "source": "from whom: a person's reference or text, or null",
    "via": "how it came, or null",
    "received": "when it was received, as given, or null",
    "language": "its language, or null",
    "receptions": "each time these bytes came in: list of `when`, `file_name`, `source`, `via`, `recorded`, `received`, "
    "`origin` (null, or what the sender of a sealed file said: kind, being share, drop or age; sender, a fingerprint, null where "
    "nothing is proven; sender_name, grade, file_digest, share_id, sequence, path, reference, added, recorded, received, revises, "
    "purpose, terms)",
    "revisions": "references of later versions",
    "notes": "list of `text`, `written`",
    "history": "what was replaced: list of `when`, `field`, `before`, `after`",
    "statement": "null, or how the statement came about: `within_reach` (of the accused, or in custody: yes, no, "
    "unknown), `person`, `date`, `place`, `started`, `ended`, `language`, `interpreter`, `present`, `earlier_accounts`, "
    "`read_back`, `signed`, `recorded_by`; each text as it was given, or null",
}

PERSON_LINE = {
    "reference": "how the person is named",
    "name": "the name",
    "role": "witness, driver, lawyer…, or null",
    "added": "when the person was added (UTC)",
}

PERSON = {
    "name": "the name",
    "aliases": "list of text",
    "phones": "list of text",
    "mails": "list of text",
    "messengers": "list of text",
    "addresses": "list of text",
    "role": "witness, driver, lawyer…, or null",
    "safe_times": "when and how the person may be reached safely, or null",
    "reference": "how the person is named",
    "added": "when the person was added (UTC)",
    "history": "what was replaced: list of `when`, `field`, `before`, `after`",
}

NOTE = {"reference": "the item or case", "text": "the note", "written": "when (UTC)"}
TAGS = {"reference": "the item or case", "tags": "all its tags now"}
DISPOSAL = {"reference": "what was deleted", "when": "when (UTC)", "reason": "why, or null"}

ADDED = {
    "stored": "list of items as `show` gives them, each with `path` (null for text and pipes) and `again` (these bytes "
    "were in the case already)",
    "failed": "list of `path`, `error`, `status`",
    "skipped": "list of `path`, `why`: symbolic links, and the vault itself",
}

REVISED = ITEM_DETAILS | {"again": "whether these bytes were in the case already"}

EXPORTED = {
    "exported": "list of `reference`, `path`, `digests_path`, `size_bytes`, `sha256`, `owner_only`",
    "failed": "list of `reference`, `error`, `status`",
}

HIT = {
    "reference": "the case, item or person",
    "title": "its title or name",
    "field": "where the words stand",
    "excerpt": "the words with what stands around them",
    "spans": "begin and end of each word found in the excerpt, in characters",
}

IDENTITY = {
    "name": "what our cards call us, or null",
    "created": "when the identity was made (UTC)",
    "fingerprint": "hexadecimal, all 256 bits",
    "digits": "list of the sixteen groups of five digits",
    "words": "list of the twelve words",
    "qr_text": "what the QR code says",
    "ssh_fingerprint": "our Ed25519 key as `ssh-keygen -l` shows it",
    "ssh_key": "the same key as a line of a .pub file",
    "age_recipient": "for whom files to us are encrypted",
}

IDENTITY_CARD = {
    "path": "the new file, or null",
    "card": "the card's text",
    "fingerprint": "of the identity (hexadecimal)",
    "name": "what the card calls us, or null",
}

PARTNER = {
    "number": "number of the partner, never used again",
    "name": "what we call them",
    "kind": "card or age (known by an age recipient alone)",
    "grade": "how the key was compared: unverified, voice or person",
    "fingerprint": "of the card or recipient (hexadecimal)",
    "age_recipient": "for whom files to them are encrypted",
    "age_classical": "a recipient of theirs for classical tools, or null",
    "ssh_fingerprint": "their Ed25519 key as `ssh-keygen -l` shows it, or null",
    "own_name": "what their card calls them, or null",
    "dated": "the day of their card, or null",
    "added": "when (UTC)",
    "verified": "when the key was last compared (UTC), or null",
    "removed": "when (UTC), or null",
    "changed": "when another card came under this name, which waits to be compared (UTC), or null",
}

PARTNER_ADDED = PARTNER | {"again": "whether it is a newer card of a partner's keys"}
PARTNER_VERIFIED = PARTNER | {
    "took": "same; changed (the card that waited took the place of the old one); or kept (the one that waited is not theirs)"
}

LOG_ENTRY = {
    "number": "its number in the log",
    "when": "time of this computer's clock (UTC)",
    "act": "what was done",
    "phase": "intent, done, failed or recovered",
    "actor": "the way in that was used",
    "case": "the case, or null",
    "item": "the item or person by its whole reference; of `key-add` and `key-remove` the label; or null",
    "size_bytes": "how much was given out, or null",
    "digest": "of what was given out, or null",
    "purpose": "what it was for, or null",
    "answers": "number of the intent that this entry answers, or null",
    "reason": "why it failed, or null",
    "counterparty": "the partner whom it was about, by the name that we gave, or null",
    "recipients": "list of fingerprints (hexadecimal)",
}

LOG_GENERATIONS = (
    "list of `number`, `origin`, `first_step`, `first_entry`, `root`, `first_key`, `certified` (by our identity): more than one "
    "where the vault was restored or the key of its log was lost"
)

LOG_HEAD = {
    "origin": "the log's name: vault id and generation",
    "size": "how many entries it has",
    "root": "the root over them",
    "step": "how many steps it has",
    "words": "twelve words for the root, to be compared aloud",
    "note": "the signed checkpoint, as a file has it",
}

LOG_VERIFIED = {
    "since": "the step up to which it had been verified before; 0 for none",
    "steps": "how many steps were verified now",
    "entries": "how many entries were verified now",
    "unsigned": "how many entries are older than the first signature, and prove nothing",
    "head": "where the log ends: " + ", ".join(f"`{name}`" for name in LOG_HEAD),
    "generations": LOG_GENERATIONS,
}

LOG_STATUS = {
    "head": "where the log ends: " + ", ".join(f"`{name}`" for name in LOG_HEAD),
    "generations": LOG_GENERATIONS,
    "unsigned": "how many entries are older than the first signature, and prove nothing",
    "verified_step": "the step up to which it was last verified; 0 for never",
    "verified_entries": "how many entries it had then",
    "verified_when": "when that was (UTC), or null",
    "confirmed": "up to where partners have confirmed it: list of `partner`, `fingerprint`, `generation`, `entries`, `when`",
    "forks": "states of one log that do not go together: list of `kind` (forked, unconnected, not-ours), `sender` (fingerprint, "
    "null for this log), `partner`, `generation`, `found`, `entries_before`, `entries`",
}

LOG_EXPORTED = {
    "path": "where the log lies",
    "verifier": "where the program lies that verifies it",
    "disclosed": "whether it says what entries hold",
}

CHECKED = {
    "findings": "list of `kind`, `subject`, `detail`: what is damaged",
    "cases": "number of cases",
    "items": "number of items",
    "objects": "number of stored objects",
    "objects_read": "how many were read to the end",
    "objects_not_read": "how many were not",
    "bytes_read": "how many bytes were read",
    "log_entries": "number of entries of the log",
}

STATUS = {
    "path": "the vault's folder",
    "state": "locked, open (for this command only), unlocked (a session keeps it open) or in use",
    "format": "number of the format",
    "compartments": "number of cases that the folder shows to anybody",
    "object_files": "number of files that hold items",
    "size_bytes": "size of the folder",
    "session": "null, or `begun` (UTC), `idle_left_seconds`, `idle_seconds`, `absolute_left_seconds`, `absolute_seconds`, "
    "`clients` (commands connected to it), `process`, `warnings` (of opening, and what was found since)",
    "vault": "null unless it was opened for this command: `vault_id`, `created`, `epoch`, `cases`, `log_entries`, "
    "`log_steps`, `log_verified_step` (0: never), `keys`, `memory_kib`, `passes`, `last_check`, `last_backup`, `backups` "
    "(each with place and made), `last_unlock`, `failed_unlocks`, `warnings`, "
    "`unknown_slot` (of the way in that opened it, if the vault does not know it), `has_identity` (partners may have a card "
    "of ours), `drafts` (number of texts that were begun and not stored)",
}

BACKED_UP = {
    "path": "the backup's folder",
    "made": "the moment that it holds (UTC)",
    "objects": "number of files of items in it",
    "objects_written": "how many of them were written now",
    "databases_written": "how many databases were written now",
    "bytes_written": "how many bytes were written now",
    "objects_removed": "how many files were removed because they belong to no item any more",
    "damaged": "codes of cases whose database does not open in the vault; the backup keeps an earlier copy, if it has one",
    "lost": "number of files that the vault misses and the backup still has",
    "shorter": "number of files that are not whole in the vault and for which the backup keeps its own",
    "unreadable": "number of files of the vault that cannot be read",
    "missing": "number of files of items that are whole neither in the vault nor in the backup",
}

RESTORED = {
    "path": "the new vault's folder",
    "made": "when the backup was made (UTC), or null for a copy of a vault's folder",
    "generation": "number of the generation that its log begins",
    "cases": "number of cases",
    "items": "number of items",
    "bytes_read": "how many bytes of items were read and are authentic",
    "older": "whether this computer has seen a later state of the same vault",
    "findings": "list of `kind`, `subject`, `detail`: damage that was accepted",
}

UNLOCKED = {
    "already": "whether a session had been open before",
    "session": "`begun` (UTC), `idle_left_seconds`, `idle_seconds`, `absolute_left_seconds`, `absolute_seconds`, `clients`, "
    "`process`, `warnings`",
    "last_unlock": "when the vault had been open before (UTC), or null",
    "failed_unlocks": "wrong secrets that this computer counted between then and this session",
    "last_backup": "when (UTC), or null",
    "last_check": "when every byte was last read and found whole (UTC), or null",
}

LOCKED = {"was_unlocked": "whether there was a session to end"}

MADE = {
    "path": "the vault's folder",
    "keys": "list of `slot`, `kind`, `label`, `added`: the ways in",
    "recovery": "shown, file or none",
    "key_file_made": "path of a key file that was made, or null",
    "owner_only": "whether the disk keeps other users out",
}

PASSPHRASE_CHANGED = {
    "epoch": "number of the new epoch",
    "dropped": "list of `slot`, `kind`, `label`, `added`: ways in that are gone",
}

KEY = {
    "slot": "number of the way in",
    "kind": "passphrase, passphrase+keyfile, keyfile or recovery",
    "label": "what it is called",
    "added": "when it was added (UTC)",
    "known": "false if it opened the vault just now and the vault does not know it: somebody may have planted it",
}

KEY_ADDED = {name: text for name, text in KEY.items() if name != "known"} | {
    "key_file_made": "path of a key file that was made, or null",
    "recovery_file": "path of the file of recovery words, or null",
}

KEY_REMOVED = {name: text for name, text in KEY.items() if name != "known"} | {"epoch": "number of the new epoch"}

CASE_DELETED = {"code": "the case that was deleted"}

_SENDER = (
    "`trust` (known, unverified, unknown, changed, unproven), `fingerprint`, `words`, `digits`, `name` (ours), `claimed` (in "
    "the sender's card), `grade` (unverified, voice, person)"
)

INSPECTED = {
    "path": "the file",
    "size_bytes": "its size",
    "armored": "whether it is written as text",
    "stanzas": "for which kinds of keys it is sealed: one text for each",
    "opened": "whether the vault could look inside; if not, what follows is null",
    "kind": "share (signed), drop or age (both signed by nobody)",
    "content_bytes": "size of all items in it",
    "whole": "whether it was read to its end and every byte is as it was sealed",
    "case": "the code of the sender's case, or null",
    "sequence": "its number among the files that the sender sealed for us, or null",
    "made": "when it was sealed, as the sender says (UTC), or null",
    "purpose": "text, or null",
    "terms": "text, or null",
    "items": "list of `number` (there), `kind`, `title`, `file_name`, `size_bytes`, `sha256`",
    "persons": "number of persons that come along",
    "sender": _SENDER,
    "stored_as": "references of items that came with the same file before",
    "gap": "whether the file that the sender sealed before it has not come",
    "late": "whether a later file of the sender came before it",
    "rival": "whether another file of the sender has its number",
    "new_generation": "the generation of the sender's log, if it has declared a gap since it was last seen here, or null",
    "beside": "the generation of another copy of the sender's log that was seen here last, where neither holds what the other "
    "logged, or null",
    "unconnected": "how many entries of the sender's log were seen here, where it is too far from there for a proof, or null",
}

OPENED = {
    "code": "the case that took it in",
    "new_case": "whether the case was made for it",
    "items": "what was stored: list of items, each as the command items lists it",
    "again": "references of items whose bytes were there already",
    "persons": "references of the persons that came",
    "proofs": "the item that keeps signatures and manifests, or null",
    "size_bytes": "how many bytes were stored",
    "known": "whether the same file was opened before, so that nothing was stored",
    "receipt": "path of the receipt that was written, or null",
    "kind": INSPECTED["kind"],
    "sender": _SENDER,
    "gap": INSPECTED["gap"],
    "late": INSPECTED["late"],
    "rival": INSPECTED["rival"],
    "new_generation": INSPECTED["new_generation"],
    "beside": INSPECTED["beside"],
    "unconnected": INSPECTED["unconnected"],
}

DROPPED = {
    "path": "the new file",
    "size_bytes": "its size",
    "files": "number of files in it",
    "fingerprint": "of the card for which it is sealed",
    "words": "the fingerprint in words: list of text",
    "claimed": "the name in the card, which proves nothing, or null",
}

SEALED = {
    "path": "the file",
    "size_bytes": "its size",
    "sha256": "its digest",
    "share_id": "its id, as in sealed.json",
    "code": "the case",
    "sequence": "its number among the files to this partner; its folder is called by code and number",
    "partner": "for whom, or null for a passphrase",
    "grade": "how the partner's card was compared: unverified, voice, person; null for a passphrase",
    "protection": "mlkem768x25519 (safe against quantum computers), X25519 or scrypt (a passphrase)",
    "items": "references of the items in it",
    "persons": "references of the persons in it",
    "exceeds": "limits that its size is above: list of mail, signal, fat32",
    "owner_only": "whether the disk keeps it from other users",
}

RECEIPT = {
    "partner": "who signed it",
    "share_id": "id of the file that it is about",
    "code": "the case that the file was sealed from",
    "sequence": "its number among the files to this partner",
    "arrived": "when it came there (UTC), as they say",
    "complete": "whether all of it came and was stored",
    "items": "how many items came whole",
    "confirmed": "when the receipt that counts was taken in (UTC)",
    "again": "whether it changed nothing, because as much was confirmed before",
    "former_card": "whether it was signed with the keys of a card that the partner had before",
    "log": "what became of the state of our log that it names: confirmed, lost (in a declared gap), not-ours (proof of another "
    "history, signed by our own keys), elsewhere (signed by them in another copy of this vault, as a generation that this one "
    "does not have), claimed (our log never had it, and nothing proves it), or null where it names none",
}

GRANT = {
    "share_id": "id of the file",
    "code": "the case that it was sealed from",
    "partner": "for whom, or null for whoever has the file and the passphrase",
    "removed": "when the partner was removed (UTC), or null",
    "recipient": "fingerprint for which it was sealed, empty for a passphrase",
    "recipient_kind": "card, age or passphrase",
    "protection": "mlkem768x25519 (safe against quantum computers), X25519 or scrypt (a passphrase)",
    "grade": "how the partner's card had been compared: unverified, voice, person; null for a passphrase",
    "sequence": "its number among the files to this partner",
    "made": "when it was sealed (UTC)",
    "state": "sent; signed where it is not known whether the file was finished; failed where nothing of it is left",
    "size_bytes": "size of the file, or null",
    "sha256": "digest of the file, or null",
    "confirmed": "when the partner's receipt was taken in (UTC), or null",
    "arrived": "when it came there (UTC), as they say, or null",
    "complete": "whether all of it came, as they say, or null",
    "arrived_items": "how many items came whole, as they say, or null",
    "items": "numbers of its items; empty where the case was deleted",
    "persons": "numbers of its persons",
    "includes": "what went besides: list of names, notes, tags, circumstances",
    "purpose": "text, or null",
    "terms": "text, or null",
}
