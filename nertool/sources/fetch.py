"""Fetch published files over HTTP: retries, time-outs, and transfers that resume where they broke."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.addresses import without_secrets
from nertool.errors import DownloadFailed
from nertool.progress import bar, logger
from nertool.workspace.atomic import move_into_place
from nertool.workspace.digests import read_json

if TYPE_CHECKING:
    from requests import Response, Session

TRIES = 5
"""Connections made for one file before giving up."""
TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of data."""
BACKOFF = 0.3
"""Seconds before the second try; each further try waits twice as long."""
BLOCK = 1 << 13
"""Bytes read at a time; a block is lost if the connection breaks inside it."""
HTML = re.compile(
    rb"(\xef\xbb\xbf)?\s*((<\?xml((?!\?>).)*\?>|<!--((?!-->).)*-->)\s*)*<(!doctype\s+html|html|head|body)\b",
    re.I | re.S,
)
"""How a page begins. What ends a comment is never part of one: else a text of comments takes for ever."""
LENGTH = re.compile("[0-9]{1,18}")
CONTENT_RANGE = re.compile("bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
"""First byte, last byte and size of the whole file."""
HELP = "Fetch the file by hand into a folder and name that: --source DIR (or a mirror: --source URL)."


def fetch(url: str, target: Path, partial: Path) -> None:
    """Fetch `url` into `target`.

    Args:
        partial: file that keeps the beginning of a transfer between tries and between runs.

    Raises:
        DownloadFailed: the host refuses, is out of reach, or sends something else in place of the file.
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
                logger.warning(
                    "%s: the transfer broke (%s), trying again", without_secrets(url), without_secrets(_reason(error))
                )
                time.sleep(BACKOFF * 2 ** (TRIES - 1 - tries_left))
            except RequestException as error:
                raise DownloadFailed(f"{url}: {_reason(error)}", HELP) from error
    move_into_place(partial, target)
    _validator_file(partial).unlink(missing_ok=True)


def file_in(base: str, name: str) -> str:
    """The address of a file below a base URL, whose query stays.

    >>> file_in("https://host/data/?key=3", "train.tsv")
    'https://host/data/train.tsv?key=3'
    """
    place, mark, query = base.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{query}"


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
    with _get(session, url, headers) as response:
        if response.status_code == 416 and headers:  # the partial file is no beginning of the host's file
            partial.unlink()
            _transfer(session, url, partial)
            return
        response.raise_for_status()
        length = _length(url, response)
        pieces = response.iter_content(BLOCK)
        size = 0
        if response.status_code == 206:
            size = _size_of_whole(url, response, partial, bool(headers))
        else:  # the host sends the whole file
            first = next(pieces, b"")
            _refuse_no_data(url, response.status_code, first)
            partial.unlink(missing_ok=True)  # before its validator: old bytes must never have a new validator
            pieces = chain([first], pieces)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
        _validator_file(partial).write_text(
            json.dumps({"url": without_secrets(url), "validator": validator}, allow_nan=False), encoding="utf-8"
        )
        _append(partial, pieces, f"download {_name(url)}", length)
        if size and partial.stat().st_size != size:
            raise _wrong_part(url, partial, f"the rest of {size:,} bytes", f"makes {partial.stat().st_size:,}")


def _get(session: Session, url: str, headers: Mapping[str, str]) -> Response:
    """Ask for a file; redirects are followed.

    Raises:
        DownloadFailed: the address, or one that the host redirects to, is none.
    """
    from requests.exceptions import RequestException

    try:
        return session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except RequestException:
        raise
    except ValueError as error:
        raise DownloadFailed(f"{url}: no address, or it redirects to none: {_reason(error)}", HELP) from error


def _length(url: str, response: Response) -> int:
    """Bytes that the host says it sends; 0 if it does not say."""
    told = response.headers.get("Content-Length", "0")
    if not LENGTH.fullmatch(told):
        raise DownloadFailed(f"{url}: the host sent a length that is no number: {told[:40]!r}", HELP)
    return int(told)


def _size_of_whole(url: str, response: Response, partial: Path, asked: bool) -> int:
    """Bytes of the whole file, by a part of it (206) that is all that `partial` lacks.

    Args:
        asked: a part was asked for.

    Source: RFC 9110, section 14.4.

    Raises:
        DownloadFailed: it is another part, or nobody asked for one.
    """
    told = response.headers.get("Content-Range", "")
    rest = CONTENT_RANGE.fullmatch(told)
    start, last, size = map(int, rest.groups()) if rest else (0, 0, 0)
    if not asked:
        raise _wrong_part(url, partial, "the whole file", f"is a part of it: {told[:60]}")
    if not rest or start != partial.stat().st_size or last != size - 1:
        wanted = f"the rest from byte {partial.stat().st_size:,}"
        raise _wrong_part(url, partial, wanted, f"is another part: {told[:60]}")
    return size


def _wrong_part(url: str, partial: Path, wanted: str, sent: str) -> DownloadFailed:
    """The error for a part that was not asked for; the next run fetches the whole file."""
    _validator_file(partial).unlink(missing_ok=True)
    return DownloadFailed(f"{url}: asked for {wanted}; what the host sent {sent}", f"Run it once more. {HELP}")


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
        begun = read_json(_validator_file(partial))
        size = partial.stat().st_size
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    if not size or not isinstance(begun, dict) or begun.get("url") != without_secrets(url):
        return {}
    validator = begun.get("validator")
    if not isinstance(validator, str) or not validator or validator.startswith("W/"):
        return {}
    return {"Range": f"bytes={size}-", "If-Range": validator}


def _refuse_no_data(url: str, status: int, first: bytes) -> None:
    if status != 200:
        raise DownloadFailed(f"{url}: the host answered {status}, which comes without a file", HELP)
    if not first:
        raise DownloadFailed(f"{url}: the host sent an empty file", HELP)
    if HTML.match(first[:4096]):
        sent = "an HTML page (a log-in, quota or error page)"
        raise DownloadFailed(f"{url}: the host sent {sent} in place of data", HELP)


def _validator_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _name(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]


def _reason(error: Exception) -> str:
    """The innermost cause, which says most to a person."""
    while error.__cause__ or error.__context__ or (error.args and isinstance(error.args[0], Exception)):
        inner = error.__cause__ or error.__context__ or error.args[0]
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(getattr(error, "reason", "") or error) or type(error).__name__
