"""`python -m tenrusl.docs [--check]`: write the generated pages, or fail where a committed one differs."""

import argparse
import sys
from pathlib import Path

from tenrusl.docs.pages import PAGES


def main(arguments: list[str], root: Path) -> int:
    """The exit status: 1 when `--check` finds a page that differs. root: of the repository."""
    parser = argparse.ArgumentParser(prog="python -m tenrusl.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is out of date")
    check = parser.parse_args(arguments).check
    stale = [name for name, render in PAGES.items() if _read(root / name) != render()]
    for name in stale:
        if check:
            sys.stderr.write(f"{name} does not match the code: run 'make docs'\n")
        else:
            (root / name).write_text(PAGES[name](), encoding="utf-8")
    return 1 if check and stale else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
