"""Build a command out of dataclasses of options: a parameter a field, help in groups, values by rank.

Values rank: option, environment variable, `--config FILE`, recipe, default.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from nertool.cli import run_ner_names, values
from nertool.cli.output import USAGE_ERROR, escape_usage_errors, set_up_output
from nertool.stages.options import FIRST_GROUP, options_for
from nertool.workspace.disk_errors import translate_disk_errors
from nertool.workspace.names import STAGES
from nertool.workspace.option_values import check_values, refuse_unused
from nertool.workspace.workspace import Workspace

GENERAL = "General"
"""Group of the options that every command has."""
KINDS = {str: "<text>", int: "<integer>", float: "<number>"}
"""What help says of an option's value, by its type."""


@dataclass(frozen=True)
class Common:
    """Options of every command."""

    workspace: Annotated[
        str, typer.Option("--workspace", "-w", envvar="NERTOOL_WORKSPACE", help="Workspace directory.")
    ] = "workspace"
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            is_eager=True,
            callback=values.load_config,
            help="JSON or TOML file of options; run_ner.py's own files work.",
        ),
    ] = None
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show every option's value and its source; run nothing.")
    ] = False
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors on stderr.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more on stderr.")] = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        check_values(self)
        if self.quiet:
            refuse_unused(self, ("verbose",), "does not go with --quiet", "Give one of them.")


class Command(TyperCommand):
    """A command that takes run_ner.py's spellings too, and lists its options in groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments after translating run_ner.py's spellings; a shell completes a line that is not whole yet."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        with escape_usage_errors(), _say_what_helps(ctx, args):
            return super().parse_args(ctx, run_ner_names.translate(args, self.params))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options under its name."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            group = getattr(parameter, "rich_help_panel", None) or GENERAL
            if parameter.param_type_name == "argument":
                group, record = "Arguments", (record[0].partition(" ")[0], record[1])  # Typer adds Python's type
            groups.setdefault(group, []).append(record)
        for name in sorted(groups, key=_group_rank):  # a stable sort: other groups keep their order
            with formatter.section(name):
                formatter.write_dl(groups[name])


@contextmanager
def _say_what_helps(context: Any, arguments: Sequence[str]) -> Iterator[None]:
    """Let an error about a command line say what option, or what other command, takes what is refused."""
    try:
        yield
    except USAGE_ERROR as error:
        if "extra argument" in error.message:
            error.message += _option_for(str(context.info_name), arguments)
        elif hasattr(error, "possibilities"):
            _name_commands(error, context.find_root())
        raise


def _option_for(command: str, arguments: Sequence[str]) -> str:
    """What takes the first argument that is a file or a directory; empty if there is none."""
    for argument in arguments:
        if argument.endswith((".json", ".toml")):
            return f" (a file of options is named by: --config {argument})"
        if os.path.isdir(argument):
            return f" (a workspace is named by: -w {argument})"
        if os.path.isfile(argument) and command in STAGES:
            return f" (own data are taken in by: nertool download --train-file {argument})"
    return " (a second file, of predictions, is named by: --predicted FILE)" if command == "score" else ""


def _name_commands(error: Any, root: Any) -> None:
    """Let the error about an option name the commands that have it, and of similar options those that begin so."""
    option, commands = error.option_name.replace("_", "-"), []
    for name in root.command.list_commands(root):
        if any(option in parameter.opts for parameter in root.command.get_command(root, name).params):
            commands.append(name)
    if commands:
        error.message += f" (an option of: {', '.join(commands)})"
        error.possibilities = [similar for similar in error.possibilities or () if similar.startswith(option)]


def _group_rank(name: str) -> int:
    """Arguments first, then what people need first; what every command has comes last."""
    return {"Arguments": 0, FIRST_GROUP: 1, GENERAL: 3}.get(name, 2)


def build(name: str, module: ModuleType, body: Callable[..., None], *, short_help: str, docs: str) -> Any:
    """The command that Typer makes of a function whose parameters are the fields of a module's options.

    Args:
        module: its docstring is the command's help, its dataclass `Options` the command's options, if it has one.
        body: called with that module, the workspace, an object of `Options` (None without) and the common options.
        short_help: its line in `nertool --help`.
        docs: the page that documents it.
    """
    options: type | None = getattr(module, "Options", None)

    def call(context: typer.Context, **given: Any) -> None:
        given = values.with_home(given)
        common = options_for(Common, given)
        set_up_output(common.quiet, common.verbose)
        values.check_encoding(context, given)
        if not getattr(options, "in_workspace", True):
            values.refuse_workspace(context)
        workspace = Workspace(common.workspace, invocation=values.invocation(context))
        with translate_disk_errors(workspace.path):  # of places that options name; the workspace's say more
            merged = values.with_recipe(context, given, workspace)
            if common.print_config:
                values.print_config(context, merged, workspace)
                return
            values.log_environment(context)
            values.log_tuned(context, merged, workspace)
            with values.name_environment(context):
                chosen: Any = options_for(options, merged) if options else None
                values.refuse_needless(context, getattr(chosen, "needless", {}))
                body(module, workspace, chosen, common)

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *_parameters([options, Common] if options else [Common])]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, cls=Command, help=module.__doc__, short_help=short_help, epilog=f"Docs: {docs}")(call)
    return typer.main.get_command(alone)


def _parameters(classes: Iterable[type]) -> Iterator[inspect.Parameter]:
    """A parameter for each field of the classes, group by group."""
    for cls in classes:
        hints = get_type_hints(cls, include_extras=True)
        groups = getattr(cls, "groups", {})
        order = [FIRST_GROUP, *groups]
        for field in sorted(fields(cls), key=lambda field: order.index(group_of(field.name, groups))):
            group = GENERAL if cls is Common else group_of(field.name, groups)
            yield _parameter(field, hints[field.name], group)


def _parameter(field: Field[Any], hint: Any, group: str) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    if get_origin(hint) is Annotated:
        kind, info = get_args(hint)
        info = copy.copy(info)  # options that several classes share stand in different groups
        info.rich_help_panel = group
        if isinstance(info, OptionInfo) and info.metavar is None:
            info.metavar = KINDS.get(_one_of(kind))
        hint = Annotated[kind, info]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _one_of(kind: Any) -> Any:
    """The type of one value: `int` of `int | None`, `str` of `list[str] | None`."""
    while inner := [part for part in get_args(kind) if part is not type(None)]:
        kind = inner[0]
    return kind


def group_of(field: str, groups: Mapping[str, Sequence[str]]) -> str:
    """The group that names a field; `FIRST_GROUP` for a field that no group names."""
    return next((group for group, names in groups.items() if field in names), FIRST_GROUP)
