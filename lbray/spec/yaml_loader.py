"""YAML as people expect it: 1e-3 is a number, and a key that stands twice is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"
"""Of the key ``<<``, which brings in another mapping's keys."""


class ExperimentLoader(yaml.SafeLoader):
    """PyYAML's safe loader (no tags that build objects) with these two corrections."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys all differ.

        Raises:
            yaml.constructor.ConstructorError: a key stands twice.
        """
        written = [key for key, _ in node.value if key.tag != _MERGE]
        keys = [self.construct_object(key, deep=True) for key in written]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice", written[position].start_mark
                )
        return super().construct_mapping(node, deep=deep)


ExperimentLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
