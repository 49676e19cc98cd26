"""Docstrings taken apart, for pages and commands that show them to people."""

from __future__ import annotations

import re

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Examples?|Notes?):\n", re.MULTILINE)


def sections(docstring: str) -> tuple[str, dict[str, dict[str, str]]]:
    """The text above a docstring's sections, and of each section its entries in one line each.

    Args:
        docstring: without the indentation that it has in the source.
    """
    text, *parts = _SECTION.split(docstring)
    contents = zip(parts[::2], parts[1::2], strict=True)
    return text, {name: _entries(content) for name, content in contents}


def _entries(section: str) -> dict[str, str]:
    entries = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)[1:]
    notes = [" ".join(note.split()) for note in entries[1::2]]
    return dict(zip(entries[::2], notes, strict=True))
