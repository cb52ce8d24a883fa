"""Start casevault from a checkout: `python vault.py COMMAND`, from any folder.

Beside this script stands the package of the same name. `import vault` finds the package, because a folder with an
`__init__.py` comes before a file; so this file holds nothing that anybody would want to import.
"""

from commands.__main__ import start

if __name__ == "__main__":
    start()
