"""The case vault as a library: cases, items, persons and the log, with no terminal in it."""
