"""The one place where the version is written; the build and `casevault --version` read it here."""

__version__ = "0.1.0"
