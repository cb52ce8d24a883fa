"""The command line of the case vault: options in, one call of the library, one rendering."""
