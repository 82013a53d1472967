"""The command line: parses, prints, exits; the only module that does.

Each command's options are read off the stage's `Options` dataclass, so that no option is declared twice. Values rank:
option, environment variable, `--config FILE`, recipe, default.
"""

from __future__ import annotations

import gc
import inspect
import json
import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, get_type_hints

import typer

from nertool import chain
from nertool.cli import config_files
from nertool.corpus.running_text import visible
from nertool.documents.output_file import translate_write_errors
from nertool.errors import InvalidOption, NertoolError, Unwritable
from nertool.progress import bars, console, logger
from nertool.sources.recipes import RECIPES
from nertool.stages import check, download, evaluate, labels, predict, preprocess, quantize, train
from nertool.training import processes
from nertool.workspace.staleness import State
from nertool.workspace.workspace import Result, StageOptions, Workspace

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From published data to a small INT8 token-classification model, in one workspace directory.",
)


def _load_config(context: typer.Context, path: str | None) -> str | None:
    """Put a configuration file below the options and environment variables of this command."""
    if path is not None:
        parameters = {parameter.name: parameter for parameter in context.command.params}
        values = config_files.options(Path(path), _config_names(), set(parameters))
        for name, value in values.items():
            _check_type(context, parameters[name], value, path)
        context.default_map = values
    return path


def _check_type(context: typer.Context, parameter: Any, value: Any, path: str) -> None:
    try:
        parameter.process_value(context, value)
    except typer.BadParameter as error:
        raise InvalidOption(
            f"--config {path}: {parameter.name}: {error.message}", f"See: nertool {context.info_name} --help"
        ) from error


COLOURS = ("green", "cyan", "magenta", "yellow", "blue", "red")
"""Of entities, by their type."""
COMMON: dict[str, tuple[Any, Any]] = {
    "workspace": (
        Annotated[str, typer.Option("--workspace", "-w", envvar="NERTOOL_WORKSPACE", help="The workspace directory.")],
        "workspace",
    ),
    "config": (
        Annotated[
            str | None,
            typer.Option(
                "--config", is_eager=True, callback=_load_config, help="JSON or TOML of options, also run_ner.py's."
            ),
        ],
        None,
    ),
    "print_config": (
        Annotated[bool, typer.Option("--print-config", help="Show every value and where it comes from; run nothing.")],
        False,
    ),
    "json": (Annotated[bool, typer.Option("--json", help="Print one JSON object in place of tables.")], False),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")], False),
    "verbose": (Annotated[bool, typer.Option("--verbose", "-v", help="More on stderr, library warnings too.")], False),
}
"""Options of every command: annotation and default."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"nertool {version('nertool')}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """The `nertool` command. Exits with 0, 1 (the user can mend it), 2 (usage) or 130 (interrupted)."""
    if arguments is None:
        arguments = sys.argv[1:]
        if arguments[:1] in (["preprocess"], ["check"]):
            os.environ.setdefault("USE_TORCH", "0")  # a tokenizer needs none, and torch takes seconds to import
            gc.disable()  # looking for cycles among a million strings takes a tenth of the time, and there are none
    try:
        _run_app(arguments)
    except SystemExit as ending:
        processes.leave(ending.code)
        raise


def _run_app(arguments: list[str]) -> None:
    """Parse and run; what the user can mend is told in two lines."""
    try:
        app(arguments, prog_name="nertool", obj=shlex.join(["nertool", *arguments]))
    except NertoolError as error:
        if processes.rank():
            sys.exit(1)  # the first process tells it
        console().print(
            f"error: {visible(error.message)}", style="bold red", markup=False, highlight=False, soft_wrap=True
        )
        console().print(visible(error.hint), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


# -- building commands out of Options --------------------------------------------------------------


def _parameters(options: Iterable[type[StageOptions]], without: Iterable[str] = ()) -> list[inspect.Parameter]:
    """Command parameters for the fields of one or more Options classes, each field once."""
    found: dict[str, inspect.Parameter] = {}
    for cls in options:
        hints = get_type_hints(cls, include_extras=True)
        for field in fields(cls):  # type: ignore[arg-type]
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            if field.name not in without:
                found.setdefault(field.name, _parameter(field.name, hints[field.name], default))
    return list(found.values())


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _command(name: str, body: Callable[..., None], parameters: Iterable[inspect.Parameter], help: str | None) -> None:
    """Register `body(context, values)` as a command with these parameters and the common ones."""
    common = [_parameter(key, *declared) for key, declared in COMMON.items()]
    signature = [_parameter("context", typer.Context, inspect.Parameter.empty), *parameters, *common]

    def command(context: typer.Context, **values: Any) -> None:
        _set_up_output(values["quiet"], values["verbose"])
        if values.pop("print_config"):
            _print_config(context, values)
        else:
            body(context, values)

    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
    app.command(name, help=help)(command)


def _stage_command(stage: ModuleType) -> None:
    def body(context: typer.Context, values: dict[str, Any]) -> None:
        workspace = _workspace(context, values)
        values = _with_recipe(context, values, workspace)
        options = chain.options_for(stage.Options, values)
        started = time.monotonic()
        result = stage.run(workspace, options)
        if processes.rank():
            return
        _report(result, time.monotonic() - started, values["json"])
        raise typer.Exit(0 if result.ok else 1)

    _command(chain.stage_name(stage), body, _parameters([stage.Options]), stage.__doc__)


def _predict(context: typer.Context, values: dict[str, Any]) -> None:
    options = chain.options_for(predict.Options, values)
    workspace = _workspace(context, values)
    if sys.stdout is None:
        raise InvalidOption("standard output is closed", "Let it go to a file, or to /dev/null.")
    if options.workers and options.engine == "local":
        raise InvalidOption("--workers is for --engine ray", "Leave it out: one process uses all processors.")
    if options.split is not None and options.engine == "local":
        if options.files:
            raise InvalidOption("FILES and --split cannot both be tagged", "Give one of them.")
        started = time.monotonic()
        _report(predict.run(workspace, options), time.monotonic() - started, values["json"])
        return
    if values["json"]:
        raise InvalidOption("--json is for --split: tagged text goes to stdout itself", "Take --format jsonl.")
    if options.engine == "ray":
        predict.tag_folder(workspace, options)
    elif options.interactive:
        _talk(workspace, options)
    elif options.output:
        predict.write_file(workspace, options, _stdin(options))
    else:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        texts = predict.tag_files(workspace, options, _stdin(options), progress=not sys.stdout.isatty())
        with _stdout_told():
            for text in texts:
                sys.stdout.write(text)


def _stdin(options: predict.Options) -> BinaryIO | None:
    """The bytes of standard input; None where it is closed. Says how to end it where a person types."""
    if sys.stdin is None:
        return None
    if "-" in (options.files or ["-"]) and sys.stdin.isatty():
        logger.info("type sentences or tokens; Ctrl-D ends the input and shows the tags (--interactive shows each)")
    return sys.stdin.buffer


@contextmanager
def _stdout_told() -> Iterator[None]:
    """Turn what goes wrong in writing to standard output into two lines."""
    try:
        with translate_write_errors("standard output"):
            yield
            sys.stdout.flush()
    except Unwritable:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left to write must not fail once more at the end
        os.close(nowhere)
        raise


def _talk(workspace: Workspace, options: predict.Options) -> None:
    """Show each line that is typed with its entities in colour, until the input ends."""
    from rich.text import Text

    with suppress(ImportError):
        import readline  # noqa: F401  lets input() edit lines
    if sys.stdin is None:
        raise InvalidOption("standard input is closed", "Type at a terminal.")
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    tagger = predict.open_tagger(workspace, options)
    labels = sorted({label.partition("-")[2] or label for label in tagger.labels})
    logger.info("type a sentence and Enter; Ctrl-D ends")
    with suppress(EOFError):
        while True:
            shown = Text()
            for word, label in predict.words_of(tagger, input("> ")):
                style = f"bold {COLOURS[labels.index(label) % len(COLOURS)]}" if label else ""
                shown.append(f"{visible(word)} ", style)
                shown.append(f"({label}) " if label else "", "dim")
            _stdout().print(shown)


def _run(context: typer.Context, values: dict[str, Any]) -> None:
    workspace = _workspace(context, values)
    values = _with_recipe(context, values, workspace)
    results, started = [], time.monotonic()
    for result in chain.run(workspace, values, values["until"]):
        results.append(result)
        _tell(result, time.monotonic() - started)
        started = time.monotonic()
    if all(result.fresh for result in results):
        logger.info("nothing to do: every stage is fresh")
    if values["json"]:
        _print_json({result.stage: result.facts for result in results})
    else:
        _print_status(workspace.status())
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


def _check(context: typer.Context, values: dict[str, Any]) -> None:
    workspace = _workspace(context, values)
    values = _with_recipe(context, values, workspace)
    options = chain.options_for(check.Options, values)
    report = check.run(workspace, options)
    if values["json"]:
        _print_json(report.as_dict())
    else:
        from nertool.cli.tables import report_tables

        for table in report_tables(report):
            _stdout().print(table)
    raise typer.Exit(1 if report.fails(options.fail_on) else 0)


def _status(context: typer.Context, values: dict[str, Any]) -> None:
    states = _workspace(context, values).status()
    if values["json"]:
        _print_json({state.stage: {"state": state.name, "why": state.why, "facts": state.facts} for state in states})
    else:
        _print_status(states)


# -- values that come from a file or a recipe ------------------------------------------------------


def _workspace(context: typer.Context, values: dict[str, Any]) -> Workspace:
    return Workspace(values["workspace"], invocation=context.obj or "")


def _recipe_of(workspace: Workspace, values: dict[str, Any]) -> str | None:
    """The recipe named here, or the one that the workspace's data came from."""
    named = values.get("recipe") if download.is_named(values) else workspace.facts("download").get("recipe")
    return str(named) if named else None


def _with_recipe(context: typer.Context, values: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Options that nobody has set take the recipe's values; `--set` adds to what a configuration file sets."""
    values = {**values, **_recipe_values(context, values, workspace)}
    if "settings" in values and _source(context, "settings") == "COMMANDLINE":
        values["settings"] = [*(context.default_map or {}).get("settings", []), *values["settings"]]
    return values


def _recipe_values(context: typer.Context, values: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """What the recipe says of options that nobody has set, for the task."""
    name = _recipe_of(workspace, values)
    task = values.get("task") if download.is_named(values) else workspace.facts("download").get("task")
    recipe = RECIPES[name].values(task) if name in RECIPES else {}
    return {key: value for key, value in recipe.items() if key in values and _source(context, key) == "DEFAULT"}


def _source(context: typer.Context, name: str) -> str:
    """COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (a configuration file) or DEFAULT."""
    return context.get_parameter_source(name).name  # type: ignore[union-attr]


def _config_names() -> dict[str, str]:
    """Every spelling of every command's options -> its parameter's name."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {
        spelling.lstrip("-").replace("-", "_"): parameter.name
        for command in commands.values()
        for parameter in command.params
        for spelling in (parameter.name, *parameter.opts)
        if parameter.name not in COMMON and not (spelling.startswith("-") and len(spelling) == 2)
    }


# -- printing --------------------------------------------------------------------------------------


class _ConsoleHandler(logging.Handler):
    """Log lines above the progress bar, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        console().print(visible(record.getMessage()), style=style, markup=False, highlight=False, soft_wrap=True)


def _set_up_output(quiet: bool, verbose: bool) -> None:
    if not logger.handlers:
        logger.addHandler(_ConsoleHandler())
    logger.propagate = False
    silent = processes.rank() > 0  # the first process speaks for all
    logger.setLevel(
        logging.ERROR if silent else logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    )
    bars().quiet = quiet or silent
    if not verbose:
        warnings.simplefilter("ignore")  # libraries warn of their own affairs


def _stdout() -> Console:
    """Where results go; a file or pipe gets lines that are wide enough."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _print_status(states: Iterable[State]) -> None:
    from nertool.cli.tables import status_table

    _stdout().print(status_table(states))


def _print_config(context: typer.Context, values: dict[str, Any]) -> None:
    """Every option's value and where it comes from; a token is not shown."""
    workspace = _workspace(context, values)
    of_recipe = _recipe_values(context, values, workspace)
    variables = {parameter.name: parameter.envvar for parameter in context.command.params}
    rows = {}
    for name, value in _with_recipe(context, values, workspace).items():
        origins = {
            "COMMANDLINE": "option",
            "ENVIRONMENT": f"environment: {variables[name]}",
            "DEFAULT_MAP": f"--config {values['config']}",
            "DEFAULT": f"recipe {_recipe_of(workspace, values)}" if name in of_recipe else "default",
        }
        shown = "***" if name == "token" and value else value
        rows[name.replace("_", "-")] = {"value": shown, "from": origins[_source(context, name)]}
    of_file = (context.default_map or {}).get("settings", [])
    for setting in (rows.pop("settings", None) or {}).get("value") or []:
        key, _, value = setting.partition("=")
        rows[f"set {key}"] = {
            "value": value,
            "from": f"--config {values['config']}" if setting in of_file else "option",
        }
    if values["json"]:
        _print_json(rows)
        return
    from nertool.cli.tables import config_table

    _stdout().print(config_table(rows))


def _report(result: Result, seconds: float, as_json: bool) -> None:
    _tell(result, seconds)
    if as_json:
        _print_json({"stage": result.stage, "fresh": result.fresh, "ok": result.ok, "facts": result.facts})
        return
    from nertool.cli.tables import render

    for table in render(result):
        _stdout().print(table)


def _tell(result: Result, seconds: float) -> None:
    why = f" ({result.why})" if result.why else ""
    done = "nothing to do" if result.fresh else f"done in {seconds:.1f} s"
    logger.info("%s: %s%s", result.stage, done, why)


STAGES = (download, preprocess, labels, train, evaluate, quantize)
for _stage in STAGES:
    _stage_command(_stage)
_command("predict", _predict, _parameters([predict.Options]), predict.__doc__)
_command("check", _check, _parameters([check.Options]), check.__doc__)
_command("status", _status, [], "Show each stage: missing, fresh, stale or edited, and why.")
_UNTIL = Annotated[
    Literal["download", "preprocess", "labels", "train", "evaluate", "quantize", "predict"] | None,
    typer.Option("--until", help="The last stage to run."),
]
_RECIPE = Annotated[
    str | None,
    typer.Argument(help=f"Data set: {', '.join(RECIPES)}; none: the data that is there.", show_default=False),
]
_command(
    "run",
    _run,
    [
        _parameter("recipe", _RECIPE, None),
        *_parameters(
            [stage.Options for stage in (*STAGES, predict)],
            without=["recipe", "files", "split", "input", "quantized", "engine", "workers"],
        ),
        _parameter("until", _UNTIL, None),
    ],
    chain.__doc__,
)
