"""The labelling configuration of a Label Studio project: which field holds the text, and what its regions are called.

Source: https://labelstud.io/tags/labels and https://labelstud.io/tags/text
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from nertool.serving.limits import Refusal
from nertool.serving.tag_request import check_string

MOST = 1 << 18
"""Characters of a configuration. Chosen: thousands of labels fit."""
TEMPLATE = (
    '<View><Labels name="label" toName="text"><Label value="PER"/></Labels><Text name="text" value="$text"/></View>'
)
HINT = f"Write the labelling interface of the project as: {TEMPLATE}"


@dataclass(frozen=True)
class Target:
    """Where the regions of a text go.

    Attributes:
        field: of a task's data, which holds the text.
        from_name: name of the tag `Labels`.
        to_name: name of the tag `Text`.
        labels: what the project calls each type of entity; types that it lacks are not in it.
    """

    field: str
    from_name: str
    to_name: str
    labels: Mapping[str, str]


@dataclass
class _Labels:
    """A tag `Labels`; `names` has the label for each value, alias and predicted value."""

    attributes: Mapping[str, str]
    names: dict[str, str] = field(default_factory=dict)

    def add(self, label: Mapping[str, str]) -> None:
        """Take in a tag `Label`."""
        value = label.get("value", "")
        for name in (value, label.get("alias", ""), *label.get("predicted_values", "").split(",")):
            if name.strip():
                self.names.setdefault(name.strip(), value)

    def of(self, types: Collection[str]) -> dict[str, str]:
        """The label for each type that has one; where labels come from the tasks, each type is its own."""
        if self.attributes.get("value", "").startswith("$"):
            return {label: label for label in types}
        return {label: self.names[label] for label in types if label in self.names}


class _Reader:
    """Collects tags `Text` and `Labels`."""

    def __init__(self) -> None:
        self.texts: dict[str, Mapping[str, str]] = {}
        self.labels: list[_Labels] = []
        self._is_open = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take in the start of a tag."""
        if tag == "Text":
            self.texts[attributes.get("name", "")] = attributes
        elif tag == "Labels":
            self.labels.append(_Labels(attributes))
            self._is_open = True
        elif tag == "Label" and self._is_open:
            self.labels[-1].add(attributes)

    def end(self, tag: str) -> None:
        """Take in the end of a tag."""
        if tag == "Labels":
            self._is_open = False


def parse_config(content: Any, name: str, types: Collection[str]) -> Target:
    """Read a labelling configuration; of several pairs of `Labels` and `Text`, take that with most types of the model.

    Args:
        name: of the field of the request, for messages.
        types: of the model.

    Raises:
        Refusal: it is no such XML, or has no pair that goes with the model.
    """
    if not types:
        raise Refusal(400, "the model's tags are no entities", "Serve a model of entities.")
    reader = _read(content, name)
    pairs = [(labels, text) for labels in reader.labels if (text := _text_of(labels, reader.texts))]
    if not pairs:
        raise Refusal(400, f"`{name}` has no `Labels` with a `Text`", HINT)
    labels, text = max(pairs, key=lambda pair: len(pair[0].of(types)))
    names = labels.of(types)
    if not names:
        error = f"`{name}` has none of the model's types as a label"
        raise Refusal(400, error, f"Add some of: {', '.join(types)}. Or name them in predicted_values of a Label.")
    return Target(_field_of(text, name), labels.attributes.get("name", ""), text.get("name", ""), names)


def _read(content: Any, name: str) -> _Reader:
    check_string(content, name)
    if len(content) > MOST:
        raise Refusal(413, f"`{name}` has {len(content)} characters, and the server takes {MOST}", "Shorten it.")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content.encode(), True)
    except expat.ExpatError as error:
        raise Refusal(400, f"`{name}` is no XML: {error}", HINT) from error
    return reader


def _refuse_doctype(*_: Any) -> None:
    """Refuse what could declare entities, which a few bytes can blow up to gigabytes."""
    raise Refusal(400, "the labelling configuration has a DOCTYPE", "Leave it out: Label Studio needs none.")


def _text_of(labels: _Labels, texts: Mapping[str, Mapping[str, str]]) -> Mapping[str, str] | None:
    names = labels.attributes.get("toName", "").split(",")
    return next((texts[name.strip()] for name in names if name.strip() in texts), None)


def _field_of(text: Mapping[str, str], name: str) -> str:
    value = text.get("value", "")
    if text.get("valueType", "text") != "text":
        raise Refusal(400, f"`{name}` has a `Text` that is read from an address", "Put the texts into the tasks.")
    if not value.startswith("$") or len(value) == 1:
        raise Refusal(400, f"`{name}` has a `Text` whose value names no field of a task", HINT)
    return value[1:]
