"""YAML as settings are written: plain values, lists and mappings, within bounds; all else is named with its line.

YAML can say more than settings need, and a few lines of it can say a gigabyte (aliases of aliases) or run code (tags).
It also reads `2024-01-01`, `12:30` and `010` as a date, a number of minutes and an octal number: these want quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tricue.types import shown

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20  # of lists and mappings inside one another
MAX_VALUES = 10_000  # aliases counted as what they stand for
MAX_DIGITS = 100

Lines = Mapping[tuple[str, ...], int]  # of settings by their names, from 1

_TAG = "tag:yaml.org,2002:"
_OCTAL_OR_TIME = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


class YamlError(ValueError):
    """What is not read: the reason, and its line (from 1; None: not known)."""

    def __init__(self, reason: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, mark.line + 1 if mark is not None else None


@dataclass(frozen=True)
class Document:
    """Values, and the lines of their names."""

    value: Any
    lines: Lines = field(default_factory=dict)


def read_yaml(text: str) -> Document:
    """One document. Raises YamlError, and nothing else, for what it cannot be."""
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"{len(text):,} characters; settings have at most {MAX_CHARACTERS:,}")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return Document(None if node is None else loader.value(node, ()), loader.lines)
    except yaml.MarkedYAMLError as error:
        reason = ": ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"not valid YAML ({shown(reason, 150, quoted=False)})", mark) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape beyond Unicode, a huge version
        if isinstance(error, YamlError):
            raise
        reason = str(error).partition("\n")[0]
        raise YamlError(f"not valid YAML ({shown(reason, 150, quoted=False)})") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which stops at too deep a nesting; nodes to values, counted."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[tuple[str, ...], int] = {}
        self._depth = self._values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._deeper(self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def value(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        """The value of a node; an alias is what it stands for, each time."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise YamlError(f"more than {MAX_VALUES:,} values, aliases (*name) counted in full", node.start_mark)
        self._deeper(node.start_mark)
        value: Any
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            value = [self.value(item, path) for item in node.value]
        elif isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            value = self._mapping(node, path)
        else:
            value = self._scalar(node)
        self._depth -= 1
        return value

    def _deeper(self, mark: yaml.Mark) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:  # by an alias, which may even hold itself, too
            raise YamlError(f"lists or mappings more than {MAX_DEPTH} deep", mark)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a list or mapping stands where a name is expected", key.start_mark)
            if key.tag == f"{_TAG}merge":
                raise YamlError("<< is not read; write the settings out", key.start_mark)
            name = key.value  # as it is written: 1, no and 2024-01-01 are names, too
            if name in values:
                first = self.lines[(*path, name)]
                raise YamlError(f"{shown(name)} stands twice, first in line {first}; keep one", key.start_mark)
            self.lines[(*path, name)] = key.start_mark.line + 1
            values[name] = self.value(value, (*path, name))
        return values

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text, mark = node.tag.removeprefix(_TAG), node.value, node.start_mark
        tag = shown(node.tag.replace(_TAG, "!!"), quoted=False)
        if not isinstance(node, yaml.ScalarNode):
            raise YamlError(f"the tag {tag} is not read; leave it out", mark)
        if kind in ("str", "value"):
            return text
        if kind == "timestamp":
            raise YamlError(f'{shown(text, quoted=False)} is a date in YAML; put it in quotes: "{text}"', mark)
        if kind not in ("null", "bool", "int", "float"):
            raise YamlError(f"the tag {tag} is not read; leave it out", mark)
        if kind in ("int", "float") and _OCTAL_OR_TIME.fullmatch(text):
            raise YamlError(
                f"{shown(text, quoted=False)} would be read as another number (octal, or minutes); put it in quotes, "
                "or write it without the leading 0",
                mark,
            )
        if kind in ("int", "float") and len(text) > MAX_DIGITS:
            raise YamlError(f"a number of {len(text):,} characters", mark)
        try:
            return self.construct_object(node)
        except (ValueError, LookupError, yaml.YAMLError) as error:  # !!int abc
            raise YamlError(f"{shown(text)} is not what its tag {tag} says", mark) from error
