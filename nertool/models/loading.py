"""Load through transformers. All loads go through here, as a model may bring code of its own."""

from __future__ import annotations

from typing import Any

from nertool.errors import NertoolError


def from_pretrained(auto_class: Any, name: str, *, trust_remote_code: bool = False, **options: Any) -> Any:
    """Call `from_pretrained` of one of transformers' Auto classes.

    Args:
        name: a directory, or a name on the Hub.
        trust_remote_code: run code that comes with the model. It is always given to transformers, which else asks on
            standard input and takes piped data for the answer.
        options: of `from_pretrained`.

    Raises:
        NertoolError: the model needs code of its own, and that is not trusted, or needs a package that is missing.
    """
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
    return _call(auto_class.from_config, config, name, trust_remote_code, options)


def hide_path(config: Any, name: str) -> None:
    """Let a configuration be saved with a name in place of a path on this machine.

    That of a model with code of its own stays, since transformers finds the code by it.
    """
    if not getattr(config, "auto_map", None):
        config.name_or_path = name


def check_tokenizer(name: str, **options: Any) -> None:
    """Check that a tokenizer needs no code of its own; transformers 5 takes another one in its place without a word.

    Args:
        name: a directory, or a name on the Hub.
        options: of `from_pretrained`.

    Raises:
        NertoolError: it does.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config, tokenizer_class_from_name

    config = get_tokenizer_config(name, **options)
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
