"""Fetch published files over HTTP: retries, time-outs, and transfers that resume where they broke."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.errors import DownloadFailed
from nertool.progress import bar, logger
from nertool.workspace.atomic import move_into_place

if TYPE_CHECKING:
    from requests import Session

TRIES = 5
"""Connections made for one file before giving up."""
TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of data."""
BACKOFF = 0.3
"""Seconds before the second try; each further try waits twice as long."""
BLOCK = 1 << 13
"""Bytes read at a time; a block is lost if the connection breaks inside it."""
HTML = re.compile(rb"(\xef\xbb\xbf)?\s*((<\?xml.*?\?>|<!--.*?-->)\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
HELP = "Fetch the file by hand into a folder and name that: --source DIR (or a mirror: --source URL)."


def fetch(url: str, target: Path, partial: Path) -> None:
    """Fetch `url` into `target`.

    Args:
        partial: file that keeps the beginning of a transfer between tries and between runs.

    Raises:
        DownloadFailed: the host refuses, is out of reach, or sends an HTML page in place of data.
    """
    from requests.exceptions import ChunkedEncodingError, ConnectionError, RequestException, SSLError, Timeout

    partial.parent.mkdir(parents=True, exist_ok=True)
    with _session() as session:
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                _transfer(session, url, partial)
                break
            except (ChunkedEncodingError, ConnectionError, Timeout) as error:
                if not tries_left or isinstance(error, SSLError):
                    raise DownloadFailed(
                        f"{url}: no whole transfer in {TRIES - tries_left} tries: {_reason(error)}", HELP
                    ) from error
                logger.warning("%s: the transfer broke (%s), trying again", url, _reason(error))
                time.sleep(BACKOFF * 2 ** (TRIES - 1 - tries_left))
            except RequestException as error:
                raise DownloadFailed(f"{url}: {_reason(error)}", HELP) from error
    move_into_place(partial, target)
    _validator_file(partial).unlink(missing_ok=True)


def _session() -> Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(  # of answers such as 503; `fetch` itself tries again after broken connections
        total=10,
        connect=0,
        read=0,
        status=TRIES - 1,
        backoff_factor=BACKOFF,
        status_forcelist=(429, 500, 502, 503, 504),
        respect_retry_after_header=False,  # a host may ask for hours
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.headers["Accept-Encoding"] = "identity"  # a byte range of a compressed body could not be joined
    return session


def _transfer(session: Session, url: str, partial: Path) -> None:
    """Fetch the file, or the part of it that `partial` lacks."""
    headers = _range_header(url, partial)
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416 and headers:  # the partial file is no beginning of the host's file
            partial.unlink()
            _transfer(session, url, partial)
            return
        response.raise_for_status()
        pieces = response.iter_content(BLOCK)
        if response.status_code != 206:  # the host sends the whole file
            first = next(pieces, b"")
            _refuse_html(url, first)
            partial.unlink(missing_ok=True)  # before its validator: old bytes must never have a new validator
            pieces = chain([first], pieces)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
        _validator_file(partial).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
        _append(partial, pieces, f"download {_name(url)}", int(response.headers.get("Content-Length", 0)))


def _append(partial: Path, pieces: Iterable[bytes], label: str, length: int) -> None:
    """Append the pieces to the partial file and show the progress.

    Args:
        length: bytes of all pieces together; 0 if the host does not say.
    """
    with partial.open("ab") as file, bar(label, file.tell() + length, "B") as (progress, task):
        progress.update(task, completed=file.tell())
        for piece in pieces:
            file.write(piece)
            progress.advance(task, len(piece))


def _range_header(url: str, partial: Path) -> Mapping[str, str]:
    """Ask for the rest of a partial file, on condition that the host's file is unchanged.

    Source: RFC 9110, section 13.1.5.
    """
    try:
        begun = json.loads(_validator_file(partial).read_text(encoding="utf-8"))
        size = partial.stat().st_size
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    if not size or not isinstance(begun, dict) or begun.get("url") != url:
        return {}
    validator = begun.get("validator")
    if not isinstance(validator, str) or not validator or validator.startswith("W/"):
        return {}
    return {"Range": f"bytes={size}-", "If-Range": validator}


def _refuse_html(url: str, first: bytes) -> None:
    if HTML.match(first[:4096]):
        sent = "an HTML page (a log-in, quota or error page)"
        raise DownloadFailed(f"{url}: the host sent {sent} in place of data", HELP)


def _validator_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _reason(error: Exception) -> str:
    """The innermost cause, which says most to a person."""
    while error.__cause__ or error.__context__ or (error.args and isinstance(error.args[0], Exception)):
        inner = error.__cause__ or error.__context__ or error.args[0]
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(getattr(error, "reason", "") or error) or type(error).__name__
