"""Load through transformers. All loads go through here, as a model may bring code of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from nertool.errors import NertoolError
from nertool.models.limits import (
    HINT,
    check_added_tokens,
    check_files,
    check_label_map,
    check_numbers,
    check_size,
    check_tokenizer_files,
    without_weights,
)
from nertool.models.other_tools import make_anew

WRONG = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, TypeError),
    UnpicklingError,
)
"""What transformers raises over files that hold something else than they should, beside OSError and ValueError."""
NAMED_WRONG = ("PanicException", "StrictDataclassClassValidationError", "StrictDataclassFieldValidationError")
"""The same, by the names of classes that are of no such kind, or not in every release."""
HUB = ("cache_dir", "revision", "token")
"""Options of `from_pretrained` that say where files come from."""
NAMED_OUTPUT = {"return_dict": True, "torchscript": False}
"""Options of a configuration under which a model names what it gives; some are published for another use."""
OTHER_SHAPES = "ignore_mismatched_sizes"
"""Is in the RuntimeError about weights that do not have the shapes of the model."""


def from_pretrained(auto_class: Any, name: str, *, trust_remote_code: bool = False, **options: Any) -> Any:
    """Call `from_pretrained` of one of transformers' Auto classes.

    Args:
        name: a directory, or a name on the Hub.
        trust_remote_code: run code that comes with the model. It is always given to transformers, which else asks on
            standard input and takes piped data for the answer.
        options: of `from_pretrained`.

    Raises:
        NertoolError: the model needs code of its own, and that is not trusted, or needs a package that is missing; or
            its files are damaged, or ask for more than there can be.
        OSError, ValueError: transformers says what else is wrong with the files.
        RuntimeError: as OTHER_SHAPES says.
    """
    with translate_wrong_files(name):
        if Path(name).is_dir():
            check_files(Path(name))
        if "config" not in options:
            found = _read_config(name, options)
            check_numbers(found, name)
            check_label_map(found, name)
        return _call(auto_class.from_pretrained, name, name, trust_remote_code, options)


def from_config(auto_class: Any, config: Any, name: str, *, trust_remote_code: bool = False, **options: Any) -> Any:
    """Call `from_config` of one of transformers' Auto classes, for a model without weights.

    Args:
        name: of the model, for messages.
        trust_remote_code: as in `from_pretrained`.
        options: of `from_config`.

    Raises:
        NertoolError: as `from_pretrained` does.
    """
    with translate_wrong_files(name):
        return _call(auto_class.from_config, config, name, trust_remote_code, options)


def check_loads(auto_class: Any, config: Any, name: str, *, trust_remote_code: bool = False) -> None:
    """Check that the model of a configuration can be built, and is about as large as its files.

    Args:
        name: directory, or name on a hub.

    Raises:
        NertoolError: as `from_config` does; or the model is far larger.
        ValueError: transformers says what is wrong with the configuration.
    """
    with without_weights():
        empty = from_config(auto_class, deepcopy(config), name, trust_remote_code=trust_remote_code)
    check_size(empty, name)


@contextmanager
def translate_wrong_files(name: str) -> Iterator[None]:
    """Turn what transformers and tokenizers raise over the files of a model into two lines.

    Raises:
        NertoolError: the files hold something else than they should.
    """
    with _translate_errors(f"{name}: no model that transformers can load", make_anew(Path(name))):
        yield


@contextmanager
def translate_tokenizer_errors() -> Iterator[None]:
    """Turn what a tokenizer raises over a text, when all of it has been loaded, into two lines.

    Raises:
        NertoolError: it cannot cut the text.
    """
    what, hint = "the model's tokenizer cannot cut words into sub-words", f"{HINT} Or take an encoder of text."
    try:
        with _translate_errors(what, hint):
            yield
    except ValueError as error:  # such as those of tables and pages, which want more than words
        raise _wrong(what, str(error), hint) from error


@contextmanager
def _translate_errors(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise _wrong(what, "lists or objects too deep", hint) from error
    except WRONG as error:
        if OTHER_SHAPES in str(error):
            raise
        raise _wrong(what, f"{type(error).__name__}: {error}", hint) from error
    except BaseException as error:  # tokenizers raises Exception itself, and the panics of Rust are none
        if type(error) is not Exception and type(error).__name__ not in NAMED_WRONG:
            raise
        raise _wrong(what, str(error), hint) from error


def _wrong(what: str, reason: str, hint: str) -> NertoolError:
    return NertoolError(f"{what}: {' '.join(reason.split())[:200]}", hint)


def _read_config(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it was parsed; empty where there is none, which the library finds out itself."""
    from transformers import PretrainedConfig

    hub = {key: options[key] for key in HUB if key in options}
    try:
        config: dict[str, Any] = PretrainedConfig.get_config_dict(name, **hub)[0]
    except OSError:
        return {}
    return config


def local_copy(name: str, **options: Any) -> str:
    """The directory of a model that has been loaded: that of the cache, for a name on the Hub.

    Args:
        name: directory, or name on the Hub.
        options: of `from_pretrained`.
    """
    from transformers.utils import CONFIG_NAME, cached_file

    hub = {key: options[key] for key in HUB if key in options}
    return name if Path(name).is_dir() else str(Path(cached_file(name, CONFIG_NAME, **hub)).parent)


def hide_path(config: Any, name: str) -> None:
    """Let a configuration be saved with a name in place of a path on this machine.

    That of a model with code of its own stays, since transformers finds the code by it.
    """
    if not getattr(config, "auto_map", None):
        config.name_or_path = name


def check_tokenizer(name: str, **options: Any) -> None:
    """Check that a tokenizer needs no code of its own, and no files of others.

    transformers 5 takes another one in the place of one that needs code without a word.

    Args:
        name: a directory, or a name on the Hub.
        options: of `from_pretrained`.

    Raises:
        NertoolError: it does.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config, tokenizer_class_from_name

    with translate_wrong_files(name):
        if Path(name).is_dir():
            check_files(Path(name))
            check_added_tokens(Path(name))
        config = get_tokenizer_config(name, **options)
        check_tokenizer_files(config, name)
        own_class = config.get("tokenizer_class") or ""
        if "AutoTokenizer" in (config.get("auto_map") or {}) and tokenizer_class_from_name(own_class) is None:
            raise _untrusted(name)


def _untrusted(name: str) -> NertoolError:
    return NertoolError(
        f"{name}: this model comes with code of its own, which is not run",
        "Read its .py files. If you trust them: --trust-remote-code",
    )


def _call(load: Any, source: Any, name: str, trust_remote_code: bool, options: dict[str, Any]) -> Any:
    try:
        return load(source, trust_remote_code=trust_remote_code, **options)
    except ValueError as error:
        if trust_remote_code or "trust_remote_code" not in str(error):
            raise
        raise _untrusted(name) from error
    except ImportError as error:  # families, and code of a model's own, that need packages
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NertoolError(f"{name}: {reason}", "Install that package, or take an encoder that needs none.") from error
