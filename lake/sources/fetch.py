"""Downloads over HTTP: time limits, resumption, retries, checksums, and a cache of what a checksum names."""

import hashlib
import re
import tempfile
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ...engine.errors import SourceError
from . import Request

# The Linux kernel's repository of releases has files below 1 GB; what is larger is no archive of source code.
MOST_BYTES = 16 << 30
# The index page of a package with thousands of versions has some tens of megabytes.
MOST_DOCUMENT_BYTES = 256 << 20
ATTEMPTS, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5, 0.5, 30.0
MOST_REDIRECTS = 10
_CHUNK = 256 << 10
# RFC 9110: the request may be sent again (too many requests, a server's trouble of the moment).
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Strongest first (W3C, Subresource Integrity, 3.2), then what old registries give.
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha1", "md5")

T = TypeVar("T")


class Unusable(SourceError):
    """Something that cannot be had, and why in one word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Passing(Exception):
    """A failure that another attempt may not meet. after: seconds the server asks to wait."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Checksum:
    """A digest of a file: its algorithm as hashlib names it, and lower-case hex digits."""

    algorithm: str
    value: str

    def check(self, path: Path, what: str) -> None:
        """Raises Unusable if the file at `path`, called `what`, has another."""
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, self.algorithm).hexdigest()
        if found != self.value:
            raise Unusable(
                "wrong-checksum", f"wrong checksum of {what}: {self.algorithm} is {found}, it should be {self.value}"
            )


def strongest(digests: dict[str, str]) -> Checksum | None:
    """The strongest of some digests, algorithm -> hex; None if none is known."""
    for name in _ALGORITHMS:
        value = digests.get(name, "").lower()
        if re.fullmatch(r"[0-9a-f]+", value) and len(value) == 2 * hashlib.new(name, usedforsecurity=False).digest_size:
            return Checksum(name, value)
    return None


def integrity(text: str) -> Checksum | None:
    """The strongest digest of a Subresource Integrity string: `sha512-BASE64 sha1-BASE64?options …`."""
    digests = {}
    for item in text.split():
        name, _, value = item.partition("?")[0].partition("-")
        try:
            digests[name] = b64decode(value, validate=True).hex()
        except (Base64Error, ValueError):
            continue
    return strongest(digests)


def file(url: str, request: Request, checksum: Checksum | None = None) -> Path:
    """The file at `url`: in request.cache if a checksum names it, else in request.scratch.

    A server may be silent for request.timeout seconds. A download that breaks off goes on where it was if the server
    can tell that the file is still the same. Raises Unusable, or OSError if the disk is full; neither leaves a file.
    """
    folder = request.scratch
    if checksum is not None:
        folder = request.cache / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{checksum.algorithm}-{checksum.value}"
        if kept.exists():
            try:
                checksum.check(kept, str(kept))
            except Unusable:
                kept.unlink()
            else:
                return kept
    handle, name = tempfile.mkstemp(prefix="download-", dir=folder)
    path = Path(name)
    try:
        with open(handle, "wb") as part:  # noqa: PTH123 - it is a descriptor
            _download(url, request, part)
        if checksum is not None:
            checksum.check(path, shown(url))
            path.replace(kept)
            return kept
    except BaseException:
        path.unlink()
        raise
    return path


@dataclass(frozen=True)
class Document:
    """A short answer: its bytes, its media type without parameters, and the address it came from in the end."""

    data: bytes
    media_type: str
    url: str


def document(url: str, request: Request, accept: str) -> Document:
    """What `url` answers when asked for one of the media types `accept`. Raises Unusable."""
    with _session() as session:

        def ask() -> Document:
            with _answer(session, url, request.timeout, {"Accept": accept}) as response:
                data = b""
                for piece in _pieces(response, request.timeout, decode=True):
                    data += piece
                    if len(data) > MOST_DOCUMENT_BYTES:
                        raise Unusable("too-large", f"the answer has more than {MOST_DOCUMENT_BYTES} bytes")
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return Document(data, kind, response.url)

        return _persist(url, ask)


def _download(url: str, request: Request, part: IO[bytes]) -> None:
    """Write what `url` has into `part`, in as many attempts as it takes."""
    same: dict[str, str] = {}

    def ask() -> None:
        at = part.tell()
        headers = {"Accept-Encoding": "identity"}
        if at and same:
            headers |= {"Range": f"bytes={at}-", **same}
        with _answer(session, url, request.timeout, headers) as response:
            begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if response.status_code != requests.codes.partial or begins is None or int(begins[1]) != at:
                if response.status_code == requests.codes.partial:
                    same.clear()
                    raise _Passing("the server sent another part than was asked for")
                part.seek(0)
                part.truncate()
            etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
            # Only a strong validator says that the bytes are the same (RFC 9110, 13.1.5).
            same.clear()
            if etag.startswith('"') or modified:
                same["If-Range"] = etag if etag.startswith('"') else modified
            for piece in _pieces(response, request.timeout, decode=False):
                part.write(piece)
                if part.tell() > MOST_BYTES:
                    raise Unusable("too-large", f"it has more than {MOST_BYTES} bytes")

    with _session() as session:
        _persist(url, ask)


def _session() -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = "codelake"
    return session


@contextmanager
def _answer(
    session: requests.Session, url: str, timeout: float, headers: dict[str, str]
) -> Iterator[requests.Response]:
    """The server's answer, begun. Raises Unusable, or _Passing for what another attempt may not meet.

    Redirections are followed here: requests would read the whole of an answer that only sends it on. Each is asked for
    with the credentials of its own address alone.
    """
    with _translated(timeout), ExitStack() as held:
        for _ in range(MOST_REDIRECTS + 1):
            if urlsplit(url).scheme not in {"http", "https"}:
                raise Unusable("refused", f"it was sent on to {shown(url)}, which is neither http nor https")
            response = session.get(url, headers=headers, stream=True, timeout=timeout, allow_redirects=False)
            held.callback(response.close)
            if not response.is_redirect:
                break
            response.close()
            url = urljoin(url, response.headers["Location"])
        else:
            raise Unusable("refused", f"it was sent on more than {MOST_REDIRECTS} times")
        status = response.status_code
        if status in _PASSING:
            raise _Passing(f"the server answered {status} {response.reason}", _after(response.headers))
        if status in {404, 410}:
            raise Unusable("not-found", f"there is nothing ({status})")
        if status not in {200, 206}:
            hint = "; it needs a password" if status in {401, 403, 407} else ""
            raise Unusable("refused", f"the server answered {status} {response.reason}{hint}")
        yield response


def _pieces(response: requests.Response, timeout: float, *, decode: bool) -> Iterator[bytes]:
    """The body; as it was sent, or without the compression that the transfer alone has."""
    with _translated(timeout):
        yield from response.raw.stream(_CHUNK, decode_content=decode)


@contextmanager
def _translated(timeout: float) -> Iterator[None]:
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise Unusable("timeout", f"the server said nothing for {timeout:g} seconds") from None
    except requests.exceptions.SSLError as error:
        raise Unusable("refused", f"the server's certificate is not trusted: {error}") from error
    except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
        # The reason inside, as the outer text has the whole address.
        reason = getattr(error.args[0], "reason", error) if error.args else error
        raise _Passing(f"the connection failed: {reason}") from error
    except (requests.RequestException, ValueError) as error:
        raise Unusable("refused", f"it is no address that can be asked ({type(error).__name__})") from error


def _persist(url: str, ask: Callable[[], T]) -> T:
    """What `ask` gives, asked again after a while where that may help."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)(state)
        asked = error.after if isinstance(error, _Passing) and error.after is not None else 0.0
        return min(LONGEST_WAIT_SECONDS, max(asked, backoff))

    again = Retrying(
        retry=retry_if_exception_type(_Passing), stop=stop_after_attempt(ATTEMPTS), wait=wait, reraise=True
    )
    try:
        return again(ask)
    except _Passing as error:
        raise Unusable("unreachable", f"{shown(url)}: {error}; tried {ATTEMPTS} times") from error
    except Unusable as error:
        raise Unusable(error.reason, f"{shown(url)}: {error}") from error


def _after(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After (RFC 9110, 10.2.3: seconds or a date)."""
    value = headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def shown(url: str) -> str:
    """An address without the user, password, query and fragment, which may be secret."""
    return re.sub(r"^([A-Za-z]+://)[^/?#]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])
