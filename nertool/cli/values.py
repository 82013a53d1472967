"""Values of options that come from a configuration file, the environment or a recipe."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from nertool.addresses import MASK, without_secrets
from nertool.cli import config_files
from nertool.cli.invocation import sets_secret
from nertool.cli.output import in_our_words, print_json, write_stdout
from nertool.errors import InvalidOption
from nertool.progress import logger
from nertool.sources.recipes import RECIPES
from nertool.stages.options import names_data
from nertool.stages.train_options import SEARCHED
from nertool.workspace.workspace import Workspace

COMMON = ("workspace", "config", "print_config", "json", "quiet", "verbose", "help")
"""Parameters of every command, which a configuration file does not set."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands for a byte that is not UTF-8, and what is no character by itself."""
SECRETS = ("token",)
"""Options whose values are shown and logged nowhere."""


def load_config(context: typer.Context, path: str | None) -> str | None:
    """Put a configuration file below the options and environment variables of this command."""
    if path is not None:
        path = str(_at_home(path))
        parameters = {parameter.name: parameter for parameter in context.command.params}
        found = config_files.options(Path(path), _spellings(context), set(parameters))
        for name, value in found.items():
            if _takes_several(parameters[name]) and _is_plain(value):
                found[name] = value = [value]
            _check_type(context, parameters[name], value, path)
        context.default_map = found
    return path


def _check_type(context: typer.Context, parameter: Any, value: Any, path: str) -> None:
    takes_several = _takes_several(parameter)
    if isinstance(value, list) != takes_several or not all(map(_is_plain, value if takes_several else [value])):
        what = "a list of texts" if takes_several else "one text, number or truth"
        raise InvalidOption(
            f"--config {path}: {parameter.name}: {json.dumps(value)[:60]} is not {what}",
            f"See: nertool {context.info_name} --help",
        )
    try:
        parameter.process_value(context, value)
    except typer.BadParameter as error:
        raise InvalidOption(
            f"--config {path}: {parameter.name}: {in_our_words(error)}", f"See: nertool {context.info_name} --help"
        ) from error


def _takes_several(parameter: Any) -> bool:
    return parameter.nargs == -1 or getattr(parameter, "multiple", False)


def _is_plain(value: Any) -> bool:
    """The value can stand on a command line."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _spellings(context: typer.Context) -> dict[str, str]:
    """Every spelling of every command's options -> its parameter's name; those of this command go first."""
    names = {}
    commands: Any = context.find_root().command
    every = [commands.get_command(context, command) for command in commands.list_commands(context)]
    for command in (*every, context.command):
        for parameter in command.params:
            if parameter.name in COMMON:
                continue
            names[parameter.name] = parameter.name
            for spelling in parameter.opts:
                if spelling.startswith("--"):
                    names[spelling[2:].replace("-", "_")] = parameter.name
    return names


def refuse_workspace(context: typer.Context) -> None:
    """Refuse `-w` where a command works outside of workspaces; the environment's is for other commands.

    Raises:
        InvalidOption: it was given.
    """
    if source_of(context, "workspace") == "COMMANDLINE":
        raise InvalidOption(f"--workspace: nertool {context.info_name} needs none", "Leave it out.")


def refuse_needless(context: typer.Context, needless: Mapping[str, str]) -> None:
    """Refuse options on the command line that nothing would use.

    Args:
        needless: why, by the name of the option.

    Raises:
        InvalidOption: one was given.
    """
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in needless and source_of(context, name) == "COMMANDLINE":
            raise InvalidOption(f"{parameter.opts[0]} {needless[name]}", "Leave it out.")


def with_home(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with a home directory where they begin with `~/`: a shell leaves that in `--workspace=~/ws`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found[name] = [_at_home(part) for part in value] if isinstance(value, list) else _at_home(value)
    return found


def _at_home(value: Any) -> Any:
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value


def check_encoding(context: typer.Context, values: Mapping[str, Any]) -> None:
    """Refuse text that is not UTF-8, from wherever it comes: no record, no page and no library takes it.

    Raises:
        InvalidOption: some is not.
    """
    spelled = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for name, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and SURROGATE.search(text):
                raise InvalidOption(
                    f"{spelled[name]} {text}: not UTF-8", "Rename the file, or write the text in UTF-8."
                )


def source_of(context: typer.Context, name: str) -> str:
    """COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (a configuration file) or DEFAULT."""
    source = context.get_parameter_source(name)
    return source.name if source else "DEFAULT"


def with_recipe(context: typer.Context, values: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The values, with the recipe's for options that nobody has set.

    `--set` on the command line adds to what a configuration file sets.
    """
    merged = {**values, **_recipe_values(context, values, workspace)}
    if "settings" in merged and source_of(context, "settings") == "COMMANDLINE":
        of_file = (context.default_map or {}).get("settings", [])
        merged["settings"] = [*of_file, *merged["settings"]]
    return merged


def _recipe_values(context: typer.Context, values: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Values that the recipe gives, for its task, to options that nobody has set."""
    if not any(name in values for name in _names_of_recipes()):
        return {}  # status and the like, which also read a damaged workspace
    data = values if names_data(values) else workspace.facts("download")
    if data.get("recipe") not in RECIPES:
        return {}
    recipe = RECIPES[data["recipe"]]
    free = {name for name in values if source_of(context, name) == "DEFAULT"}
    of_recipe = recipe.values(data.get("task"))
    model = of_recipe.get("model") if "model" in free else values.get("model")
    if values.get("as_readme") is False:  # commands without that option keep their defaults
        of_recipe |= recipe.tuned.get(str(model), {})
    if values.get("search"):
        free -= {*SEARCHED}
    if values.get("max_tokens_per_batch"):
        free -= {"batch_size"}
    return {name: value for name, value in of_recipe.items() if name in free}


def _names_of_recipes() -> set[str]:
    """Options that any recipe has a value for."""
    names: set[str] = set()
    for recipe in RECIPES.values():
        names |= recipe.defaults.keys()
    return names


def log_tuned(context: typer.Context, values: Mapping[str, Any], workspace: Workspace) -> None:
    """Say which values of a training come from the recipe's tuning, as others than the README's."""
    of_recipe = _recipe_values(context, values, workspace)
    of_readme = _recipe_values(context, {**values, "as_readme": True}, workspace)
    tuned = {name: value for name, value in of_recipe.items() if of_readme.get(name) != value}
    if tuned:
        spelled = {parameter.name: parameter.opts[0] for parameter in context.command.params}
        found = " ".join(f"{spelled[name]} {value:g}" for name, value in tuned.items())
        logger.info("tuned for %s on dev: %s (--as-readme: the README's)", values["model"], found)


def log_environment(context: typer.Context) -> None:
    """Say which options take their values from the environment, as CI may set SEED without a thought of nertool."""
    given = []
    for parameter in _from_environment(context):
        given.append(without_secrets(f"{parameter.envvar}={context.params[str(parameter.name)]}"))
    if given:
        logger.info("from the environment: %s", ", ".join(given))


@contextmanager
def name_environment(context: typer.Context) -> Iterator[None]:
    """Let an error about an option whose value comes from the environment name the variable.

    Raises:
        InvalidOption: the block raises it.
    """
    try:
        yield
    except InvalidOption as error:
        for parameter in _from_environment(context):
            if error.message.startswith(f"{parameter.opts[0]} "):
                variable = f"(it comes from the environment: unset {parameter.envvar})"
                raise InvalidOption(error.message, f"{error.hint} {variable}") from error
        raise


def invocation(context: typer.Context) -> str:
    """The command line, with options in place of environment variables: it does the same wherever it is repeated."""
    arguments = shlex.split(context.obj or "")
    options: list[str] = []
    for parameter in _from_environment(context):
        options += [parameter.opts[0], without_secrets(str(context.params[str(parameter.name)]))]
    if not options or context.info_name not in arguments:
        return context.obj or ""
    behind = arguments.index(str(context.info_name)) + 1
    return shlex.join([*arguments[:behind], *options, *arguments[behind:]])


def _from_environment(context: typer.Context) -> list[Any]:
    """The parameters whose values come from the environment, but the workspace."""
    found = []
    for parameter in context.command.params:
        if parameter.name != "workspace" and source_of(context, str(parameter.name)) == "ENVIRONMENT":
            found.append(parameter)
    return found


def print_config(context: typer.Context, values: Mapping[str, Any], workspace: Workspace) -> None:
    """Print every option's value and where it comes from; a secret is not shown."""
    rows = {}
    spelled = {str(parameter.name): parameter.opts[0].lstrip("-") for parameter in context.command.params}
    for name, value in values.items():
        if name not in COMMON or name in ("workspace", "config"):
            shown = _shown(name, value)
            rows[spelled[name]] = {"value": shown, "from": _origin(context, name, values, workspace)}
    of_file = (context.default_map or {}).get("settings", [])
    for setting in (rows.pop("set", None) or {}).get("value") or []:
        key, _, value = setting.partition("=")
        origin = f"--config {values['config']}" if setting in of_file else "option"
        rows[f"{config_files.SETTING}{key}"] = {"value": MASK if sets_secret(setting) else value, "from": origin}
    if values["json"]:
        print_json(rows)
    else:
        write_stdout(config_files.as_toml(rows))


def _shown(name: str, value: Any) -> Any:
    """A value as anybody may see it."""
    if isinstance(value, list):
        return [_shown(name, part) for part in value]
    if name in SECRETS and value:
        return MASK
    return without_secrets(value) if isinstance(value, str) else value


def _origin(context: typer.Context, name: str, values: Mapping[str, Any], workspace: Workspace) -> str:
    """Where an option's value comes from, in words."""
    source = source_of(context, name)
    if source == "COMMANDLINE":
        return "option"
    if source == "ENVIRONMENT":
        variables = {parameter.name: parameter.envvar for parameter in context.command.params}
        return f"environment: {variables[name]}"
    if source == "DEFAULT_MAP":
        return f"--config {values['config']}"
    if name in _recipe_values(context, values, workspace):
        data = values if names_data(values) else workspace.facts("download")
        return f"recipe {data['recipe']}"
    return "default"
