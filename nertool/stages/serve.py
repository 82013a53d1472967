"""Answer requests over HTTP with tags and entities, until a signal asks for the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from nertool.corpus.files import translate_read_errors
from nertool.errors import InvalidData, InvalidOption, MissingInput, require
from nertool.models.names import quiet_transformers
from nertool.progress import logger
from nertool.stages.load_model import find_model, load_model
from nertool.stages.model_options import AnyModelOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.serving.answers import ServedModel

LOOPBACK = ("127.", "::1", "localhost")
"""How addresses begin that only this machine reaches."""


@dataclass(frozen=True)
class Options(AnyModelOptions):
    """Options of `serve`."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Access": ("label_studio", "api_key_file", "cors"),
        "Limits": ("max_body", "max_texts", "max_characters", "queue", "timeout", "gather"),
        **AnyModelOptions.groups,
    }

    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1"
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one and prints it.")
    ] = 8000
    api_key_file: Annotated[
        str | None,
        typer.Option("--api-key-file", help="File of keys, one a line; requests to tag have to have one of them."),
    ] = None
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors",
            help="Origin of pages elsewhere that may ask, such as https://example.org; may be repeated.",
            show_default=False,
        ),
    ] = None
    label_studio: Annotated[
        bool, typer.Option("--label-studio", help="Answer Label Studio, too, to which this server is a model.")
    ] = False
    max_body: Annotated[int, typer.Option("--max-body", min=1, max=1 << 26, help="Bytes of a request.")] = 1 << 20
    max_texts: Annotated[int, typer.Option("--max-texts", min=1, help="Texts of a request.")] = 1000
    max_characters: Annotated[int, typer.Option("--max-characters", min=1, help="Characters of a text.")] = 100_000
    queue: Annotated[int, typer.Option("--queue", min=1, help="Requests that wait for the model.")] = 128
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to read a request, and to answer it.")
    ] = 30.0
    gather: Annotated[
        float,
        typer.Option("--gather", min=0, max=1000, help="Milliseconds in which requests come together in a batch."),
    ] = 3.0

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        for origin in self.cors or []:
            scheme, _, place = origin.partition("://")
            if scheme not in ("http", "https") or not place or "/" in place or not origin.isascii():
                raise InvalidOption(f"--cors {origin}: no origin", "Write one such as https://example.org")


def run(workspace: Workspace, options: Options, ready: Callable[[str, str], None]) -> None:
    """Answer requests until SIGTERM or SIGINT; those that have come until then are answered, too.

    Args:
        ready: is called with the address and the version of the model, once the server answers.

    Raises:
        MissingInput: no model.
        StaleInput: the model was made from files that have changed since.
        NertoolError: a package is missing, or the address is taken.
    """
    require(["starlette", "uvicorn"], "serve", "nertool serve")
    from nertool.serving.app import Service, build_app
    from nertool.serving.current_model import CurrentModel
    from nertool.serving.limits import Limits
    from nertool.serving.metrics import Metrics
    from nertool.serving.server import address_of, allow_many_connections, build_server, listen_at

    limits = Limits(
        body=options.max_body,
        texts=options.max_texts,
        length=options.max_characters,
        waiting=options.queue,
        seconds=options.timeout,
        gather=options.gather / 1000,
    )
    keys = read_keys(Path(options.api_key_file)) if options.api_key_file else []
    directory = find_model(workspace, options).path
    with listen_at(options.host, options.port) as listener:
        metrics = Metrics()
        current = CurrentModel(lambda: _load(workspace, options), directory, metrics)
        if options.label_studio and not current.model.types:
            raise InvalidOption("--label-studio: the model's tags are no entities", "Serve a model of entities.")
        if not keys and not options.host.startswith(LOOPBACK):
            logger.warning("whoever reaches %s can use this server; --api-key-file asks for a key", options.host)
        allow_many_connections()
        app = build_app(Service(current, limits, metrics, keys, options.cors or [], options.label_studio))
        address = address_of(listener)
        build_server(app, limits.seconds, lambda: ready(address, current.model.version)).run([listener])


def read_keys(path: Path) -> list[bytes]:
    """The keys of a file, one a line.

    Raises:
        MissingInput: there is no such file.
        InvalidData: it cannot be read, or holds no key, or one that no header can hold.
    """
    if not os.path.isfile(path):
        raise MissingInput(f"--api-key-file: there is no file {path}", "Write one key a line into a file.")
    with translate_read_errors(path):
        keys = [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
    if not keys:
        raise InvalidData(f"--api-key-file {path}: it holds no key", "Write one key a line into it.")
    if not all(0x21 <= byte <= 0x7E for byte in b"".join(keys)):
        raise InvalidData(
            f"--api-key-file {path}: a key that no header can hold", "Take ASCII letters and digits, no blanks."
        )
    return keys


def _load(workspace: Workspace, options: Options) -> ServedModel:
    """The model as it is in the workspace now."""
    from nertool.serving.answers import ServedModel

    quiet_transformers()
    with workspace.reading():  # one model is checked and loaded, whatever is published meanwhile
        model = find_model(workspace, options)
        tagger, version = load_model(model, options), model.version
    thresholds, tagger.thresholds = tagger.thresholds, None
    return ServedModel(tagger, version, thresholds)
