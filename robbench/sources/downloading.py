"""One file over HTTP, into a part that a later try goes on with.

The part is NAME.part beside the file; NAME.part.version is what the server calls the version that the part is of.  A server that has another one by then sends
all of it again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from robbench.errors import MissingLibrary
from robbench.sources.published import Drive, Share

if TYPE_CHECKING:
    from requests import Response, Session

DRIVE = "https://drive.google.com"
TIMEOUT = (10.0, 30.0)
"""Seconds until a connection stands, and for which a server may send nothing."""
TRIES = 4
"""How often a download that was cut goes on by itself, as long as every try brings something."""
BLOCK = 1 << 14
"""Bytes that are asked of the connection at a time, and the most that are lost when it is cut."""
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<(?:!--.*?--|\?xml[^>]*\?)>\s*)*<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HEAD = 1 << 14

Told = Callable[[int, int | None], object]
"""Is told how many bytes there are, and how many there will be."""


class DownloadError(Exception):
    """Why a file did not come: the end of a sentence."""


class _Cut(DownloadError):
    """The connection ended before the file did."""


def session() -> Session:
    """A session of requests, which comes with pooch; raises MissingLibrary."""
    try:
        import requests
    except ImportError as error:
        raise MissingLibrary("fetching needs pooch: pip install 'robbench[fetch]'.") from error
    return requests.Session()


def download(asking: Session, address: str | Drive | Share, part: Path, told: Told, *, go_on: bool) -> None:
    """Fetch a file into `part`, from where an earlier try ended.

    Arguments:
        asking: the session.
        address: of the file.
        part: the path; what is there is gone on with if the server says that it is of the same version.
        told: see `Told`.
        go_on: what is there may be gone on with though the server says no version, since a checksum will tell.

    Raises:
        DownloadError: it did not come; says why.  What came stays in `part`.
        OSError: it cannot be written.
    """
    from requests import RequestException

    try:
        url = _resolved(asking, address)
        for tried in range(1, TRIES + 1):
            before = _size(part)
            try:
                _receive(asking, url, part, told, go_on)
                return
            except _Cut:
                if tried == TRIES or _size(part) <= before:
                    raise
    except RequestException as error:
        raise DownloadError(_said(error)) from error


def page_title(head: bytes) -> str | None:
    """The title of a web page that begins so; None where it is none."""
    if not _PAGE.match(head):
        return None
    found = _TITLE.search(head)
    return html.unescape(" ".join(found[1].decode("utf-8", "replace").split()))[:80] if found else "without a title"


def _receive(asking: Session, url: str, part: Path, told: Told, go_on: bool) -> None:
    from requests import ConnectionError as Unconnected
    from requests.exceptions import ChunkedEncodingError

    start, version = _size(part), _version(part)
    headers = {"Accept-Encoding": "identity"}  # else lengths would be of what is packed
    if start and (version or go_on):
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    with asking.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # nothing is there beyond what came: it is another version
            part.unlink()
            raise _Cut("it has changed since a part of it came; run the same command again")
        if not response.ok:
            raise DownloadError(f"the server answered {response.status_code} {response.reason}")
        resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if not resumed:
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        blocks = response.iter_content(BLOCK)
        try:
            first = next(blocks, b"")
            _refuse_page(first, response)
            with part.open("ab" if resumed else "wb") as file:
                _note_version(part, response)
                while first:
                    file.write(first)
                    start += len(first)
                    told(start, total)
                    first = next(blocks, b"")
        except (ChunkedEncodingError, Unconnected) as error:
            why = f"the server sent nothing for {TIMEOUT[1]:g} seconds" if "timed out" in str(error) else "the connection was cut"
            raise _Cut(f"{why}, after {start:,} of {'unknown' if total is None else f'{total:,}'} bytes") from error
    if total is not None and start < total:
        raise _Cut(f"the connection was cut, after {start:,} of {total:,} bytes")


def _refuse_page(head: bytes, response: Response) -> None:
    """A web page is no published file, whatever its address is: it asks to sign in, or says that something is not there."""
    title = page_title(head[:_HEAD])
    if title is not None:
        where = urlsplit(response.url)
        raise DownloadError(f"a web page came in its place ({title!r}, from {where.scheme}://{where.netloc}{where.path})")


def _resolved(asking: Session, address: str | Drive | Share) -> str:
    """The URL of a file."""
    if isinstance(address, Drive):
        return _of_drive(asking, address)
    if isinstance(address, Share):
        return _of_share(asking, address)
    return address


def _of_share(asking: Session, address: Share) -> str:
    """Where the page leads to is the share; a share gives each of its files by name."""
    with asking.get(address.page, stream=True, timeout=TIMEOUT) as response:
        where = response.url.partition("?")[0].rstrip("/")
        if not where.endswith(f"/s/{address.share}"):
            raise DownloadError(f"{address.page} leads to {where}, and not to the share {address.share}")
    return f"{where}/download?{urlencode({'path': '/', 'files': address.file})}"


def _of_drive(asking: Session, address: Drive) -> str:
    """Files that Drive finds too large to look for viruses in are behind a form, which is sent as it is."""
    url = f"{DRIVE}/uc?{urlencode({'export': 'download', 'id': address.id})}"
    with asking.get(url, stream=True, timeout=TIMEOUT) as response:
        head = next(response.iter_content(_HEAD * 16), b"")
        if page_title(head[:_HEAD]) is None:
            return url
        form = _Form()
        form.feed(head.decode("utf-8", "replace"))
        return f"{urljoin(response.url, form.action)}?{urlencode(form.fields)}" if form.action else url


class _Form(HTMLParser):
    """The form that starts a download: where it leads, and what it says."""

    action = ""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        """Note the form, and its fields."""
        given = dict(attrs)
        if tag == "form" and given.get("id") == "download-form":
            self.action = given.get("action") or ""
        elif tag == "input" and self.action and given.get("name"):
            self.fields[given["name"]] = given.get("value") or ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def version_path(part: Path) -> Path:
    """Where it is noted what version a part is of."""
    return part.with_name(f"{part.name}.version")


def _version(part: Path) -> str:
    path = version_path(part)
    return path.read_text("utf-8") if path.exists() else ""


def _note_version(part: Path, response: Response) -> None:
    tag = response.headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if version:
        version_path(part).write_text(version, "utf-8")
    else:
        version_path(part).unlink(missing_ok=True)


def _said(error: Exception) -> str:
    """What went wrong on the way, in a few words."""
    from requests import ConnectionError as Unconnected
    from requests import Timeout
    from requests.exceptions import ProxyError, SSLError

    if isinstance(error, SSLError):
        return "the server's certificate cannot be verified; if a proxy in between has its own, name it in REQUESTS_CA_BUNDLE"
    if isinstance(error, ProxyError):
        return "the proxy that HTTPS_PROXY or HTTP_PROXY names does not let it through"
    if isinstance(error, Timeout):
        return f"the server sent nothing for {TIMEOUT[1]:g} seconds"
    if isinstance(error, Unconnected):
        return "the server cannot be reached (is there a network?)"
    return f"{type(error).__name__}: {error}"
