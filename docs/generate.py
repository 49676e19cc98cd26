"""Write anew what the pages of reference have below their marks: `make docs`.

What stands above a mark is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from lbray.cli.main import lbray
from lbray.cli.reference import markdown as commands
from lbray.spec.reference import markdown as settings

MARK = "<!-- From here on this page is made by `make docs`; change the code instead. -->\n"


def pages() -> dict[Path, str]:
    """Each page as it should be."""
    made = {"commands.md": commands(lbray), "experiment-file.md": settings()}
    folder = Path(__file__).parent
    return {folder / name: _head(folder / name) + f"\n{text}\n" for name, text in made.items()}


def _head(page: Path) -> str:
    head, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{page} has no line {MARK!r}")
    return head + mark


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
