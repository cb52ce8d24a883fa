"""Bytes to bytes: the cryptography of the case vault, with no files, databases or persons in it."""
