"""The `nertool` command: every subcommand, and how each ends."""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup

from nertool.cli.interrupts import raise_dropped_ones_again
from nertool.cli.invocation import public_command
from nertool.cli.output import (
    USAGE_ERROR,
    escape_usage_errors,
    log_result,
    print_json,
    print_line,
    print_result,
    print_status,
    print_table,
    set_up_output,
    write_stdout,
)
from nertool.cli.streams import set_up_streams
from nertool.errors import InvalidOption, NertoolError
from nertool.progress import logger
from nertool.training import processes
from nertool.workspace.names import versions

if TYPE_CHECKING:
    from nertool.cli.commands import Common
    from nertool.workspace.workspace import Workspace


def main(arguments: list[str] | None = None) -> None:
    """The `nertool` command. Exits with 0, 1 (the user can mend it), 2 (usage) or 130 (interrupted)."""
    if arguments is None:
        set_up_streams()
        raise_dropped_ones_again()
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
    """Parse and run; an error that the user can mend becomes two lines, a bug keeps its traceback."""
    invocation = public_command(["nertool", *arguments])
    set_up_output(quiet=False, verbose=False)  # parsing has log lines of its own
    finished = False
    try:
        try:
            app(arguments, prog_name="nertool", obj=invocation)
        finally:
            sys.stdout.flush()  # while an error can still be told
    except NertoolError as error:
        finished = True
        if not processes.rank():  # of several processes, the first one tells it
            print_line(f"error: {error.message}", style="bold red")
            print_line(error.hint)
        sys.exit(1)
    except BrokenPipeError:
        finished = True
        sys.exit(1)
    except (SystemExit, KeyboardInterrupt):
        finished = True
        raise
    finally:
        if not finished and sys.exc_info()[0] is not None:
            _print_bug_header(invocation)


def _print_bug_header(invocation: str) -> None:
    """Print what a bug report needs, above the traceback that Python prints."""
    installed = versions(["torch", "transformers"])
    names = [f"{name} {number}" for name, number in installed.items()]
    print_line(f"This is a bug in nertool. {', '.join([*names, f'Python {platform.python_version()}'])}", "bold red")
    print_line(f"command: {invocation}")


# -- what commands do ------------------------------------------------------------------------------


def _run_stage(stage: Any, workspace: Workspace, options: Any, common: Common) -> None:
    started = time.monotonic()
    result = stage.run(workspace, options)
    if processes.rank():
        return
    print_result(result, time.monotonic() - started, common.json)
    raise typer.Exit(0 if result.ok else 1)


def _predict(predict: Any, workspace: Workspace, options: Any, common: Common) -> None:
    from nertool.stages import predict_files

    if options.split is not None and options.engine == "local":
        _run_stage(predict, workspace, options, common)
    if common.json:
        hint = "Leave it out." if options.interactive else "Take --format jsonl."
        raise InvalidOption("--json is for --split: tagged text goes to stdout itself", hint)
    if options.engine == "ray":
        predict_files.tag_folder(workspace, options)
    elif options.interactive:
        from nertool.cli.interactive import talk

        talk(workspace, options)
    elif options.output:
        predict_files.write_file(workspace, options, _stdin(options))
    else:
        write_stdout(predict_files.tag_files(workspace, options, _stdin(options), progress=not sys.stdout.isatty()))


def _serve(serve: Any, workspace: Workspace, options: Any, common: Common) -> None:
    """Serve; once the server answers, its address is a line of standard output, for scripts that wait for it."""

    def ready(address: str, model: str) -> None:
        if common.json:
            print_json({"address": address, "model": model})
        else:
            write_stdout([f"{address}\n"])
        sys.stdout.flush()
        logger.info("%s answers; Ctrl-C ends this", model)

    serve.run(workspace, options, ready)


def _stdin(options: Any) -> BinaryIO | None:
    """The bytes of standard input; None where it is closed. Says how to end it where a person types."""
    if sys.stdin is None:
        return None
    if "-" in (options.files or ["-"]) and sys.stdin.isatty():
        logger.info("type sentences or tokens; Ctrl-D ends the input and shows the tags (--interactive shows each)")
    return sys.stdin.buffer


def _check(check: Any, workspace: Workspace, options: Any, common: Common) -> None:
    if options.labels:
        _check_labels(workspace, options, common)
        return
    report = check.run(workspace, options)
    if common.json:
        print_json(report.as_dict())
    else:
        from nertool.cli.check_tables import report_tables

        for table in report_tables(report):
            print_table(table)
    raise typer.Exit(1 if report.fails(options.fail_on) else 0)


def _check_labels(workspace: Workspace, options: Any, common: Common) -> None:
    from nertool import label_check

    os.environ.pop("USE_TORCH", None)  # other checks need none
    gc.enable()
    report = label_check.run(workspace, options)
    if common.json:
        print_json(report.as_dict())
    else:
        from nertool.cli.check_tables import label_errors_table

        print_table(label_errors_table(report))


def _score(score: Any, workspace: Workspace, options: Any, common: Common) -> None:
    started = time.monotonic()
    print_result(score.run(options), time.monotonic() - started, common.json)


def _status(status: Any, workspace: Workspace, options: None, common: Common) -> None:
    states = status.run(workspace)
    if not workspace.path.exists():
        logger.warning("there is no directory %s yet", workspace.path)
    print_status(states, common.json)


def _run(chain: Any, workspace: Workspace, options: Any, common: Common) -> None:
    results = []
    started = time.monotonic()
    for result in chain.run(workspace, vars(options), options.until):
        results.append(result)
        log_result(result, time.monotonic() - started)
        started = time.monotonic()
    if all(result.fresh for result in results):
        logger.info("nothing to do: every stage is fresh")
    if common.json:
        print_json({result.stage: result.facts for result in results})
    else:
        print_status(workspace.status(), as_json=False)
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


# -- the command line ------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A command before it is built: the arguments of `commands.build`, the module by its name."""

    module: str
    body: Callable[..., None]
    short_help: str
    docs: str


class Nertool(TyperGroup):
    """The commands of nertool. Each is built when it is asked for: the modules of all take long to import."""

    entries: ClassVar[Mapping[str, Entry]] = {
        "download": Entry("nertool.stages.download", _run_stage, "Get data and write token-tag lines.", "docs/data.md"),
        "preprocess": Entry(
            "nertool.stages.preprocess", _run_stage, "Fit sentences to the model's length.", "docs/data.md"
        ),
        "labels": Entry("nertool.stages.labels", _run_stage, "Collect the tags in labels.txt.", "docs/data.md"),
        "train": Entry("nertool.stages.train", _run_stage, "Fine-tune a model.", "docs/training.md"),
        "evaluate": Entry(
            "nertool.stages.evaluate", _run_stage, "Score a model on dev and test.", "docs/evaluation.md"
        ),
        "quantize": Entry(
            "nertool.stages.quantize", _run_stage, "Make an INT8 model and judge it.", "docs/quantization.md"
        ),
        "predict": Entry("nertool.stages.predict", _predict, "Tag text, tokens or a split.", "docs/prediction.md"),
        "serve": Entry("nertool.stages.serve", _serve, "Tag texts over HTTP.", "docs/serving.md"),
        "export": Entry(
            "nertool.stages.export", _run_stage, "Write a model that tags without nertool.", "docs/export.md"
        ),
        "check": Entry("nertool.stages.check", _check, "Report what is odd in the data.", "docs/data.md"),
        "score": Entry("nertool.stages.score", _score, "Score predictions of any tool.", "docs/evaluation.md"),
        "status": Entry("nertool.stages.status", _status, "Show the state of each stage.", "docs/files.md"),
        "run": Entry("nertool.chain", _run, "Run all stages, skipping what is fresh.", "docs/tutorial.md"),
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command's name, of which nearly all belong behind it."""
        with escape_usage_errors():
            try:
                return super().parse_args(ctx, args)
            except USAGE_ERROR as error:
                if hasattr(error, "possibilities"):
                    error.message += " before the command. Options of a command stand behind its name."
                raise

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, in the order of `nertool --help`."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build a command; for a name that is none, all of them, since the error names those that are like it."""
        from nertool.cli.commands import build

        for name in [cmd_name] if cmd_name in self.entries else self.entries:
            if name not in self.commands:
                module, body, short_help, docs = self.entries[name]
                self.add_command(build(name, import_module(module), body, short_help=short_help, docs=docs))
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in self.entries.items()])


app = typer.Typer(
    cls=Nertool,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Fine-tune, evaluate, quantize and run NER, POS and chunking models, in one workspace directory.",
    epilog="A first try: nertool run sample -w demo --backend onnx. Docs: docs/index.md",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"nertool {versions([])['nertool']}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
