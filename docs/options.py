"""Write docs/options.md from the commands themselves.

python docs/options.py            # write it
python docs/options.py --check    # exit with 1 if it is not current
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

PAGE = Path(__file__).with_name("options.md")
HEAD = """\
# Options

Every command and every option. This page is made from the commands by `make docs`. Values come from several places:
see [Configuration](configuration.md). Each long name may also be written with underscores, as `--train_file`.
"""
PAGES = {
    "download": "data.md",
    "preprocess": "data.md#fit-the-data-to-a-model",
    "labels": "data.md#collect-the-labels",
    "check": "data.md#check-the-data",
    "train": "training.md",
    "evaluate": "evaluation.md",
    "score": "evaluation.md#score-anybodys-predictions",
    "quantize": "quantization.md",
    "predict": "prediction.md",
    "serve": "serving.md",
    "export": "export.md",
    "status": "files.md",
    "run": "tutorial.md",
}
"""The page that explains each command."""
KINDS = {int: "integer", float: "number"}


def commands() -> dict[str, Any]:
    """Every command by its name, as Typer builds it."""
    from nertool.cli.main import app

    group: Any = get_command(app)
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def options_page() -> str:
    """The whole page, as Markdown."""
    parts = [HEAD]
    for name, command in commands().items():
        parts.extend(command_section(name, command))
    return "\n".join(parts)


def command_section(name: str, command: Any) -> Iterator[str]:
    """A command: heading, what it does, its arguments, then its options by group."""
    yield f"## nertool {name}\n"
    yield f"{one_line(command.help or command.short_help)} See [its page]({PAGES[name]}).\n"
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    if arguments:
        yield from table("Argument", ((f"`{argument.name}`", argument) for argument in arguments))
    for group, options in groups(command.params).items():
        if group not in ("", "Options"):
            yield f"### {name}: {group}\n"
        yield from table("Option", ((spelling(option), option) for option in options))


def groups(parameters: Iterable[Any]) -> dict[str, list[Any]]:
    """Options by the group in which `--help` shows them, in that order; the group of the others is empty."""
    found: dict[str, list[Any]] = {}
    for parameter in parameters:
        if parameter.param_type_name == "option" and not parameter.hidden:
            found.setdefault(getattr(parameter, "rich_help_panel", None) or "", []).append(parameter)
    return found


def table(title: str, rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """A Markdown table: name, values, meaning, default, environment variable."""
    yield f"| {title} | Values | Meaning | Default | Variable |"
    yield "|---|---|---|---|---|"
    for name, parameter in rows:
        variable = f"`{parameter.envvar}`" if parameter.envvar else ""
        meaning = one_line(parameter.help or "").replace("|", "\\|")
        yield f"| {name} | {values(parameter)} | {meaning} | {default(parameter)} | {variable} |"
    yield ""


def spelling(option: Any) -> str:
    """The names of an option, those that turn it off behind a slash; spellings with underscores go without saying."""
    on = [f"`{name}`" for name in option.opts if "_" not in name]
    off = [f"`{name}`" for name in option.secondary_opts if "_" not in name]
    return ", ".join(on) + (" / " + ", ".join(off) if off else "")


def values(parameter: Any) -> str:
    """What an option takes: its choices, or the kind of value; nothing for a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation) if choice)
    parts = [KINDS.get(annotation, "text")]
    for side, bound in (("least", parameter.min), ("most", parameter.max)):
        if bound is not None:
            parts.append(f"at {side} {bound:.10g}")
    if parameter.multiple:
        parts.append("may be repeated")
    return ", ".join(parts)


def default(parameter: Any) -> str:
    """The default that nertool has for an option; nothing where there is none."""
    value = parameter.default
    if value in (None, "", False, [], ()) or callable(value):
        return ""
    if value is True:
        return "on"
    return f"`{value}`"


def one_line(text: str) -> str:
    """The first paragraph of a text, in one line."""
    return " ".join(text.split("\n\n")[0].split())


def main() -> None:
    """Write the page, or check it."""
    page = options_page()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page else f"{PAGE} is not current: make docs")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
