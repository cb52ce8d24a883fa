"""Measurements against other programs, in the same run: `python -m bench --help`."""
