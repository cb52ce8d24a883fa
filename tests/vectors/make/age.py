"""Write tests/vectors/age/*.json: `python tests/vectors/make/age.py`, from the checkout.

One case a file: a rule of https://c2sp.org/age, an age file that keeps or breaks it and is in order otherwise, the layer
that must refuse it, and the digest of all that may be released. Written by `tests/support/age_writer.py`, which knows
nothing of the program, and kept: hybrid stanzas come out different in every run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from age_writer import (
    BEGIN,
    END,
    HYBRID,
    LOW_ORDER,
    VERSION,
    X25519,
    armored,
    b64,
    header,
    honest_payload,
    hybrid_parts,
    hybrid_stanza,
    mac_line,
    payload,
    scrypt_body,
    scrypt_stanza,
    stanza,
    x25519_parts,
    x25519_stanza,
)

TARGET = Path(__file__).parents[1] / "age"
OK, NO_MATCH, HMAC, HEADER, PAYLOAD, ARMOR = (
    "success",
    "no match",
    "HMAC failure",
    "header failure",
    "payload failure",
    "armor failure",
)
# A second identity of each kind, for files that are not for the first.
OTHER = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN"
OTHER_HYBRID = "AGE-SECRET-KEY-PQ-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSCTK5KM"
KEY = b"the file's key.."
TEXT = b"I left of my own will."
BODY = honest_payload(KEY, TEXT)
GREASE = stanza(b"example.test/grease", b"!~", body=b"anything")


def case(
    name: str,
    expect: str,
    file: bytes,
    rule: str,
    *,
    released: bytes | None = None,
    identities: tuple[str, ...] = (X25519,),
    passphrases: tuple[str, ...] = (),
    armor: bool = False,
) -> None:
    if released is None:
        released = TEXT if expect == OK else b""
    packed = zlib.compress(file, 9)
    document = {
        "rule": rule,
        "expect": expect,
        "released_sha256": hashlib.sha256(released).hexdigest(),
        "identities": list(identities),
        "passphrases": list(passphrases),
        "armored": armor,
        "zlib": len(packed) < len(file),
        "file": base64.b64encode(packed if len(packed) < len(file) else file).decode(),
    }
    (TARGET / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def headers() -> None:
    own = x25519_stanza(KEY)
    whole = header(KEY, own)
    before = VERSION + own
    mac = mac_line(KEY, before)

    def version(name: str, line: bytes, rule: str) -> None:
        case(f"version_{name}", HEADER, header(KEY, own, version=line) + BODY, rule)

    version("other", b"age-encryption.org/v2\n", "only version 1 is read")
    version("crlf", b"age-encryption.org/v1\r\n", "lines end with LF alone")
    version("space", b"age-encryption.org/v1 \n", "the version line is exact")
    version("leading_line", b"\nage-encryption.org/v1\n", "nothing stands before the version line")
    version("missing", b"", "a file begins with the version line")
    case("empty_file", HEADER, b"", "an empty file is no age file")
    case("header_cut_in_version", HEADER, VERSION[:-1], "a header has a last line")
    case("header_cut_in_stanza", HEADER, whole[:60], "a header has a last line")
    case("header_cut_in_mac", HEADER, whole[:-1], "the last line ends with LF")
    case("header_without_stanza", HEADER, header(KEY) + BODY, "a header has at least one stanza")
    case("header_line_between", HEADER, header(KEY, own, b"\n") + BODY, "nothing stands between stanzas")
    case("header_crlf", HEADER, whole.replace(b"\n", b"\r\n") + BODY, "lines end with LF alone")

    def last(name: str, expect: str, line: bytes, rule: str) -> None:
        case(f"mac_{name}", expect, before + line + BODY, rule)

    flipped = mac[:4] + (b"B" if mac[4:5] == b"A" else b"A") + mac[5:]
    last("wrong", HMAC, flipped, "the MAC is verified")
    last("of_other_key", HMAC, mac_line(b"another file key", before), "the MAC is under the file key")
    last("missing", HEADER, b"---\n", "a MAC has 32 bytes")
    last("empty", HEADER, b"--- \n", "a MAC has 32 bytes")
    last("short", HEADER, b"--- " + b64(bytes(31)) + b"\n", "a MAC has 32 bytes")
    last("long", HEADER, b"--- " + b64(bytes(33)) + b"\n", "a MAC has 32 bytes")
    last("padded", HEADER, mac[:-1] + b"=\n", "base64 has no padding")
    last("not_canonical", HEADER, mac[:-2] + bytes([mac[-2] + 1]) + b"\n", "bits left over are zero")
    last("url_alphabet", HEADER, b"--- " + b"-" * 43 + b"\n", "base64 is the standard one")
    last("no_space", HEADER, mac.replace(b" ", b""), "one space stands before the MAC")
    last("two_spaces", HEADER, mac.replace(b" ", b"  "), "one space stands before the MAC")
    last("trailing_space", HEADER, mac[:-1] + b" \n", "nothing stands after the MAC")
    last("tab", HEADER, mac.replace(b" ", b"\t"), "one space stands before the MAC")
    last("crlf", HEADER, mac[:-1] + b"\r\n", "lines end with LF alone")
    last("garbage", HEADER, b"---garbage\n" + mac, "the first line with the mark is the last line")
    case("stanza_added", HMAC, VERSION + own + GREASE + mac + BODY, "the MAC covers all stanzas")
    case("stanza_removed", HMAC, VERSION + own + header(KEY, own, GREASE)[-48:] + BODY, "the MAC covers all stanzas")
    swapped = VERSION + GREASE + own + mac_line(KEY, VERSION + own + GREASE)
    case("stanza_moved", HMAC, swapped + BODY, "the MAC covers the order of the stanzas")


def stanzas() -> None:
    own = x25519_stanza(KEY)

    def beside(name: str, expect: str, lines: bytes, rule: str) -> None:
        case(f"stanza_{name}", expect, header(KEY, lines, own) + BODY, rule)

    def first_line(name: str, expect: str, line: bytes, rule: str) -> None:
        beside(name, expect, line + b"AAAA\n", rule)

    every = bytes(range(33, 127))
    first_line("every_character", OK, b"-> unknown " + every + b"\n", "an argument has any printable ASCII character")
    first_line("many_arguments", OK, b"-> unknown" + b" a" * 1000 + b"\n", "a stanza has any number of arguments")
    first_line("no_argument", HEADER, b"->\n", "a stanza has an argument")
    first_line("empty_argument", HEADER, b"-> \n", "an argument is not empty")
    first_line("two_spaces", HEADER, b"-> unknown  a\n", "an argument is not empty")
    first_line("trailing_space", HEADER, b"-> unknown \n", "an argument is not empty")
    first_line("tab", HEADER, b"-> unknown\ta\n", "arguments are separated by a space")
    first_line("no_space", HEADER, b"->unknown\n", "a space follows the arrow")
    first_line("other_arrow", HEADER, b"-- unknown\n", "a stanza begins with an arrow")
    first_line("leading_space", HEADER, b" -> unknown\n", "a stanza begins with an arrow")
    first_line("crlf", HEADER, b"-> unknown a\r\n", "lines end with LF alone")
    first_line("control", HEADER, b"-> unknown \x1b[2J\n", "an argument is printable ASCII")
    first_line("delete", HEADER, b"-> unknown \x7f\n", "an argument is printable ASCII")
    first_line("nul", HEADER, b"-> unknown a\x00\n", "an argument is printable ASCII")
    first_line("not_ascii", HEADER, "-> unknown дом\n".encode(), "an argument is printable ASCII")

    def body(name: str, expect: str, lines: bytes, rule: str) -> None:
        beside(f"body_{name}", expect, b"-> unknown\n" + lines, rule)

    full = b"A" * 64 + b"\n"
    body("empty", OK, b"\n", "a body may be empty")
    body("full_line", OK, full + b"\n", "a full last line is followed by an empty one")
    body("long", OK, full * 30 + b"AA\n", "a body may have any length")
    body("longest_last_line", OK, b"A" * 63 + b"\n", "the last line has up to 63 characters")
    body("missing", HEADER, b"", "a stanza has a body")
    body("no_short_line", HEADER, full, "a body ends with a short line")
    body("two_short_lines", HEADER, b"AAAA\nAAAA\n", "a body ends with its first short line")
    body("empty_line_first", HEADER, b"\nAAAA\n", "a body ends with its first short line")
    body("long_line", HEADER, b"A" * 66 + b"\n", "a line has at most 64 characters")
    body("padded", HEADER, b"AA==\n", "base64 has no padding")
    body("one_character_over", HEADER, b"AAAAA\n", "base64 has no quantum of one character")
    body("not_canonical", HEADER, b"AB\n", "bits left over are zero")
    body("space", HEADER, b"AA AA\n", "base64 has no spaces")
    body("leading_space", HEADER, b" AAAA\n", "base64 has no spaces")
    body("trailing_space", HEADER, b"AAAA \n", "base64 has no spaces")
    body("carriage_return", HEADER, b"AAAA\r\n", "lines end with LF alone")
    body("url_alphabet", HEADER, b"A-_A\n", "base64 is the standard one")
    body("not_ascii", HEADER, "AAдA\n".encode(), "base64 is ASCII")
    body("nul", HEADER, b"AA\x00A\n", "base64 has no other characters")


def keys(kind: str) -> None:
    """Rules that X25519 and hybrid stanzas share."""
    hybrid = kind == "hybrid"
    mine, other = (HYBRID, OTHER_HYBRID) if hybrid else (X25519, OTHER)
    word, size = (b"mlkem768x25519", 1120) if hybrid else (b"X25519", 32)

    def parts(file_key: bytes = KEY, identity: str = mine) -> tuple[bytes, bytes]:
        return hybrid_parts(file_key, identity) if hybrid else x25519_parts(file_key, identity, ephemeral=b"\x07" * 32)

    share, body = parts()
    own = stanza(word, b64(share), body=body)

    def build(name: str, expect: str, lines: bytes, rule: str, identities: tuple[str, ...] = (mine,)) -> None:
        case(f"{kind}_{name}", expect, header(KEY, lines) + BODY, rule, identities=identities)

    def one(name: str, expect: str, *arguments: bytes, body: bytes = body, rule: str) -> None:
        build(name, expect, stanza(*arguments, body=body), rule)

    theirs = stanza(word, b64(parts(KEY, other)[0]), body=parts(KEY, other)[1])
    build("simple", OK, own, "a stanza opens for its identity")
    build("other_identity", NO_MATCH, theirs, "a stanza opens for no other identity")
    build("second_stanza", OK, theirs + own, "all stanzas are tried")
    build("second_identity", OK, own, "all identities are tried", (other, mine))
    build("unknown_stanzas", OK, GREASE + own + GREASE, "unknown stanzas are ignored")
    build("two_for_one_identity", OK, own + own, "an identity may have several stanzas")
    build("broken_second", HEADER, own + stanza(word, body=body), "every stanza of a known kind is in order")
    swapped = word.swapcase() if hybrid else b"x25519"
    one("other_case", NO_MATCH, swapped, b64(share), rule="the kind is exact, so another case is unknown")
    one("no_share", HEADER, word, rule="a stanza has two arguments")
    one("extra_argument", HEADER, word, b64(share), b"a", rule="a stanza has two arguments")
    one("short_share", HEADER, word, b64(share[:-1]), rule=f"a share has {size} bytes")
    one("long_share", HEADER, word, b64(share + b"\x00"), rule=f"a share has {size} bytes")
    padded = base64.b64encode(share)
    if padded.endswith(b"="):
        one("padded_share", HEADER, word, padded, rule="base64 has no padding")
        spare = b64(share)
        changed = spare[:-1] + bytes([spare[-1] + 1])
        one("share_not_canonical", HEADER, word, changed, rule="bits left over are zero")
    one("wrong_tag", NO_MATCH, word, b64(share), body=body[:-1] + bytes([body[-1] ^ 1]), rule="a body is authentic")
    one("empty_body", HEADER, word, b64(share), body=b"", rule="a body has 32 bytes")
    one("short_body", HEADER, word, b64(share), body=body[:-1], rule="a body has 32 bytes")
    long_share, long_body = parts(KEY + b"longer")
    one("long_file_key", HEADER, word, b64(long_share), body=long_body, rule="a body has 32 bytes")
    lines = stanza(word, b64(share), body=body)
    at = lines.rindex(b"\n", 0, -1) + 1
    spare = lines[:-2] + bytes([lines[-2] + 1]) + b"\n"
    assert lines[at:] != b"\n"
    build("body_not_canonical", HEADER, spare, "bits left over are zero")
    zero = share[:-32] + bytes(32)
    if hybrid:
        corrupt = bytes([share[0] ^ 1]) + share[1:]
        one("other_mlkem_ciphertext", NO_MATCH, word, b64(corrupt), rule="ML-KEM gives another secret")
        corrupt = share[:-1] + bytes([share[-1] ^ 1])
        one("other_x25519_share", NO_MATCH, word, b64(corrupt), rule="X25519 gives another secret")
    for number, point in enumerate(LOW_ORDER):
        weak, weak_body = (
            (share[:-32] + point, body) if hybrid else x25519_parts(KEY, mine, ephemeral=zero, share=point)
        )
        one(f"low_order_{number}", HEADER, word, b64(weak), body=weak_body, rule="a shared secret of zeros is refused")


def mixed() -> None:
    both = hybrid_stanza(KEY) + x25519_stanza(KEY)
    rule = "a reader opens a file that no writer should have written"
    for name, identity in (("hybrid", HYBRID), ("x25519", X25519)):
        case(f"mixed_for_{name}", OK, header(KEY, both) + BODY, rule, identities=(identity,))
    broken = stanza(b"mlkem768x25519", body=bytes(32)) + x25519_stanza(KEY)
    case("mixed_broken_other_kind", OK, header(KEY, broken) + BODY, "an identity ignores the stanzas of other kinds")
    case("mixed_no_identity", NO_MATCH, header(KEY, both) + BODY, "without an identity nothing opens", identities=())


def passphrases() -> None:
    salt, words = b"0123456789abcdef", "correct horse battery"
    body = scrypt_body(KEY, words.encode(), salt, 10)

    def build(
        name: str,
        expect: str,
        lines: bytes,
        rule: str,
        known: tuple[str, ...] = (words,),
        identities: tuple[str, ...] = (),
    ) -> None:
        file = header(KEY, lines) + BODY
        case(f"scrypt_{name}", expect, file, rule, identities=identities, passphrases=known)

    def one(name: str, expect: str, *arguments: bytes, body: bytes = body, rule: str) -> None:
        build(name, expect, stanza(*arguments, body=body), rule)

    own = scrypt_stanza(KEY, words.encode())
    build("simple", OK, own, "a passphrase opens its stanza")
    build("other_passphrase", NO_MATCH, own, "another passphrase does not", ("wrong",))
    build("second_passphrase", OK, own, "all passphrases are tried", ("wrong", words))
    build("identity_beside", OK, own, "identities of several kinds may be tried", (words,), (X25519, HYBRID))
    build("no_passphrase", NO_MATCH, own, "an identity ignores the stanzas of other kinds", (), (X25519,))
    build("unicode", OK, scrypt_stanza(KEY, "пароль café".encode()), "passphrases are UTF-8", ("пароль café",))
    build("twice", HEADER, own + own, "a stanza for a passphrase is alone")
    build("before_x25519", HEADER, own + x25519_stanza(KEY), "a stanza for a passphrase is alone")
    build("after_x25519", HEADER, x25519_stanza(KEY) + own, "a stanza for a passphrase is alone")
    build("beside_unknown", HEADER, own + GREASE, "a stanza for a passphrase is alone")
    build("beside_x25519_for_it", HEADER, own + x25519_stanza(KEY), "alone for every identity", (), (X25519,))
    one("other_case", NO_MATCH, b"Scrypt", b64(salt), b"10", rule="the kind is exact, so another case is unknown")
    one("wrong_tag", NO_MATCH, b"scrypt", b64(salt), b"10", body=bytes(32), rule="a body is authentic")
    one("short_body", HEADER, b"scrypt", b64(salt), b"10", body=body[:-1], rule="a body has 32 bytes")
    long_body = scrypt_body(KEY + b"longer", words.encode(), salt, 10)
    one("long_file_key", HEADER, b"scrypt", b64(salt), b"10", body=long_body, rule="a body has 32 bytes")
    one("no_factor", HEADER, b"scrypt", b64(salt), rule="a stanza has three arguments")
    one("extra_argument", HEADER, b"scrypt", b64(salt), b"10", b"a", rule="a stanza has three arguments")
    for name, wrong in (("short", salt[:-1]), ("long", salt + b"g"), ("empty_looking", b"\x00")):
        long = scrypt_body(KEY, words.encode(), wrong, 10)
        one(f"salt_{name}", HEADER, b"scrypt", b64(wrong), b"10", body=long, rule="a salt has 16 bytes")
    one("salt_padded", HEADER, b"scrypt", base64.b64encode(salt), b"10", rule="base64 has no padding")
    spare = b64(salt)[:-1] + bytes([b64(salt)[-1] + 1])
    one("salt_not_canonical", HEADER, b"scrypt", spare, b"10", rule="bits left over are zero")
    one("factor_other", NO_MATCH, b"scrypt", b64(salt), b"11", rule="the work factor is part of the key")
    for name, factor in (
        ("zero", b"0"),
        ("leading_zero", b"010"),
        ("negative", b"-10"),
        ("plus", b"+10"),
        ("hex", b"0xa"),
        ("exponent", b"1e1"),
        ("letter", b"10a"),
        ("point", b"10.0"),
    ):
        one(
            f"factor_{name}",
            HEADER,
            b"scrypt",
            b64(salt),
            factor,
            rule="a work factor is decimal digits, no zero first",
        )
    for name, factor in (
        ("23", b"23"),
        ("64", b"64"),
        ("10_and_2_to_64", str(10 + 2**64).encode()),
        ("long", b"1" * 500),
    ):
        one(f"factor_{name}", HEADER, b"scrypt", b64(salt), factor, rule="a work factor is at most 22")


def payloads() -> None:
    """The rules of a payload of one chunk; longer ones are made by `tests/crypto/test_age_payload.py` in each run."""
    top = header(KEY, x25519_stanza(KEY))

    def build(name: str, expect: str, data: bytes, rule: str, released: bytes | None = None) -> None:
        case(f"payload_{name}", expect, top + data, rule, released=released)

    build("empty", OK, payload(KEY, (b"", True)), "a payload may be empty", b"")
    build("no_nonce", HEADER, b"", "a file has a nonce")
    build("short_nonce", HEADER, b"n" * 15, "a nonce has 16 bytes")
    build("no_chunk", PAYLOAD, b"n" * 16, "a payload has a last chunk")
    build("short_tag", PAYLOAD, payload(KEY, (b"", True))[:-1], "a chunk has a tag")
    build("wrong_tag", PAYLOAD, BODY[:-1] + bytes([BODY[-1] ^ 1]), "a chunk is authentic")
    build("wrong_nonce", PAYLOAD, b"m" + BODY[1:], "the key is derived from the nonce")
    build("cut", PAYLOAD, BODY[:-1], "a chunk is authentic")
    build("one_byte_more", PAYLOAD, BODY + b"\x00", "nothing follows the payload")
    build("second_empty", PAYLOAD, payload(KEY, (TEXT, True), (b"", True)), "nothing follows the payload")
    build("not_last", PAYLOAD, payload(KEY, (TEXT, False)), "a payload has a last chunk")
    build("empty_not_last", PAYLOAD, payload(KEY, (b"", False)), "a payload has a last chunk")


def armors() -> None:
    file = header(KEY, x25519_stanza(KEY)) + BODY
    text = armored(file)
    lines = text.splitlines(keepends=True)
    body = lines[1:-1]

    def build(name: str, expect: str, data: bytes, rule: str, released: bytes | None = None) -> None:
        case(f"armor_{name}", expect, data, rule, released=released, armor=True)

    build("simple", OK, text, "armor is read")
    build("crlf", OK, armored(file, end_of_line=b"\r\n"), "lines may end with CRLF")
    build("no_last_line_end", OK, text[:-1], "the last line needs no end")
    build("white_space_lines_before", OK, b"\n \t\r\n" + text, "white space may stand before")
    build("white_space_after", OK, text + b"\n\r\n \t\n", "white space may stand after")
    for fill in range(48):
        longer = header(KEY, x25519_stanza(KEY)) + honest_payload(KEY, TEXT + b"." * fill)
        if len(longer) % 48 == 0:
            extra = TEXT + b"." * fill
            build("full_last_line", OK, armored(longer), "the last line may be full", extra)
            with_empty = armored(longer).replace(END, b"\n" + END)
            build("empty_last_line", ARMOR, with_empty, "no line is empty")
    build("too_much_before", ARMOR, b" " * 1023 + b"\n\n" + text, "white space is bounded")
    build("too_much_after", ARMOR, text + b"\n" * 1025, "white space is bounded")
    build("text_before", ARMOR, b"hello\n" + text, "nothing else stands before")
    build("text_after", ARMOR, text + b"hello\n", "nothing else stands after")
    build("second_after", ARMOR, text + text, "nothing else stands after")
    build("begin_indented", ARMOR, b" " + text, "the first line is exact")
    build("begin_trailing_space", ARMOR, text.replace(BEGIN, BEGIN[:-1] + b" \n"), "the first line is exact")
    build("end_trailing_space", ARMOR, text.replace(END, END[:-1] + b" \n"), "the last line is exact")
    build("end_indented", ARMOR, text.replace(END, b" " + END), "the last line is exact")
    build("begin_lower_case", ARMOR, text.replace(b"BEGIN", b"begin"), "the first line is exact")
    build("other_label", ARMOR, text.replace(b"AGE ENC", b"PGP ENC"), "the label is exact")
    build("end_other_label", ARMOR, text.replace(END, END.replace(b"AGE", b"PGP")), "the label is exact")
    build("no_begin", ARMOR, text.removeprefix(BEGIN), "armor has a first line")
    build("no_end", ARMOR, text.removesuffix(END), "armor has a last line")
    build("cut_end", ARMOR, text[:-10], "armor has a last line")
    build("only_white_space", ARMOR, b"\n\n", "armor has a first line")
    build("nothing", ARMOR, b"", "armor has a first line")
    build("only_begin", ARMOR, BEGIN, "armor has a last line")
    build("without_content", HEADER, BEGIN + END, "nothing is no age file")
    build("headers", ARMOR, text.replace(BEGIN, BEGIN + b"Comment: hello\n\n"), "armor has no headers")
    build("empty_line_first", ARMOR, text.replace(BEGIN, BEGIN + b"\n"), "no line is empty")
    build("empty_line_between", ARMOR, b"".join([*lines[:2], b"\n", *lines[2:]]), "no line is empty")
    build("empty_line_before_end", ARMOR, text.replace(END, b"\n" + END), "no line is empty")
    joined = b"".join(line.strip() for line in body)
    wide = b"".join(joined[i : i + 68] + b"\n" for i in range(0, len(joined), 68))
    build("long_lines", ARMOR, BEGIN + wide + END, "a line has 64 characters")
    narrow = b"".join(joined[i : i + 60] + b"\n" for i in range(0, len(joined), 60))
    build("short_lines", ARMOR, BEGIN + narrow + END, "a line has 64 characters")
    build("one_line", ARMOR, BEGIN + joined + b"\n" + END, "a line has 64 characters")
    build("line_indented", ARMOR, b"".join([lines[0], b" ", *lines[1:]]), "base64 has no spaces")
    build("line_trailing_space", ARMOR, text.replace(body[0], body[0][:-1] + b" \n"), "base64 has no spaces")
    build("last_line_space", ARMOR, text.replace(body[-1], body[-1][:-1] + b" \n"), "base64 has no spaces")
    build("other_character", ARMOR, text.replace(body[0], b"*" + body[0][1:]), "base64 has no other characters")
    build("url_alphabet", ARMOR, text.replace(body[0], b"-_" + body[0][2:]), "base64 is the standard one")
    build("nul", ARMOR, text.replace(body[0], b"\x00" + body[0][1:]), "base64 has no other characters")
    build("lone_cr", ARMOR, text.replace(body[0], body[0][:-1] + b"\r"), "lines end with LF or CRLF")
    padded = next(
        armored(header(KEY, x25519_stanza(KEY)) + honest_payload(KEY, TEXT + b"." * n))
        for n in range(3)
        if (len(header(KEY, x25519_stanza(KEY)) + honest_payload(KEY, TEXT + b"." * n)) % 3) == 1
    )
    build("no_padding", ARMOR, padded.replace(b"==\n", b"\n"), "base64 is padded")
    build("half_padding", ARMOR, padded.replace(b"==\n", b"=\n"), "base64 is padded")
    build("broken_padding", ARMOR, padded.replace(b"==\n", b"=\n=\n"), "base64 is padded in one line")
    at = padded.index(b"==\n") - 1
    build("not_canonical", ARMOR, padded[:at] + bytes([padded[at] + 1]) + padded[at + 1 :], "bits left over are zero")
    build("checksum", ARMOR, text.replace(END, b"=njUN\n" + END), "armor has no checksum")
    build("not_age_inside", HEADER, armored(b"hello, this is no age file"), "an age file is inside")
    build("no_match_inside", NO_MATCH, armored(header(KEY, x25519_stanza(KEY, OTHER)) + BODY), "armor hides no failure")
    broken = armored(header(KEY, x25519_stanza(KEY)) + BODY[:-1] + bytes([BODY[-1] ^ 1]))
    build("payload_failure_inside", PAYLOAD, broken, "armor hides no failure")


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    for old in TARGET.glob("*.json"):
        old.unlink()
    headers()
    stanzas()
    keys("x25519")
    keys("hybrid")
    mixed()
    passphrases()
    payloads()
    armors()


if __name__ == "__main__":
    main()
