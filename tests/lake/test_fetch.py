"""Downloads from a real server: silence, breaks, lies and full disks."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from codelake.lake.sources import Request, fetch
from codelake.lake.sources.fetch import Checksum, Unusable

DATA = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(40_000))
SHA256 = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No waiting between attempts."""
    monkeypatch.setattr(fetch, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(fetch, "LONGEST_WAIT_SECONDS", 0.01)


@pytest.fixture
def request_(tmp_path):
    (tmp_path / "scratch").mkdir()
    return Request(source="archive:x", rest="x", scratch=tmp_path / "scratch", cache=tmp_path / "cache", timeout=20)


def left(request):
    """The files that are lying around."""
    return [path for folder in (request.scratch, request.cache) for path in folder.rglob("*") if path.is_file()]


def breaking(pieces, headers=None, *, honest=True):
    """A page that breaks off after some bytes, once for each of `pieces`, and understands Range."""
    todo = list(pieces)

    def answer(handler):
        start, status, sent = 0, 200, dict(headers or {})
        wanted = handler.headers.get("Range")
        if wanted and honest:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            status = 206
            sent["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        body = DATA[start:]
        cut = body[: todo.pop(0)] if todo else body
        handler.answer(status, cut, sent, length=len(body))

    return answer


def test_a_file_comes_whole(web, request_):
    web.pages["/x"] = DATA
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA
    assert web.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_break_is_gone_on_from_where_it_was(web, request_):
    web.pages["/x"] = breaking([100_000, 300_000], {"ETag": '"one"'})
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA
    ranges = [(headers.get("Range"), headers.get("If-Range")) for _, headers in web.asked]
    assert ranges[0] == (None, None)
    assert [start for _, start in ranges[1:]] == ['"one"', '"one"']
    first, second = (int(asked.removeprefix("bytes=").rstrip("-")) for asked, _ in ranges[1:])
    assert 0 < first <= 100_000 < second <= 400_000


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_a_file_that_cannot_be_told_to_be_the_same_is_begun_anew(web, request_, headers):
    web.pages["/x"] = breaking([100_000], headers)
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA
    assert "Range" not in web.asked[1][1]


def test_a_file_that_changed_meanwhile_is_begun_anew(web, request_):
    """The server answers a Range whose condition fails with the whole file (RFC 9110, 13.1.5)."""
    web.pages["/x"] = breaking([100_000], {"ETag": '"one"'}, honest=False)
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA
    assert "Range" in web.asked[1][1]


def test_a_server_that_sends_another_part_is_not_believed(web, request_):
    def lies(handler):
        if handler.headers.get("Range"):
            handler.answer(206, DATA[5:], {"Content-Range": f"bytes 5-{len(DATA) - 1}/{len(DATA)}"})
        else:
            breaking([100_000] if len(web.asked) == 1 else [], {"ETag": '"one"'})(handler)

    web.pages["/x"] = lies
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_that_passes_is_waited_out(web, request_, status):
    def busy(handler):
        handler.answer(status, headers={"Retry-After": "1"}) if len(web.asked) < 3 else handler.answer(200, DATA)

    web.pages["/x"] = busy
    assert fetch.file(f"{web.url}/x", request_).read_bytes() == DATA
    assert len(web.asked) == 3


def test_the_wait_a_server_asks_for():
    assert fetch._after({"Retry-After": "7"}) == 7
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    assert 3500 < fetch._after({"Retry-After": later}) <= 3600
    assert fetch._after({"Retry-After": "soon"}) is None
    assert fetch._after({}) is None


@pytest.mark.parametrize(
    ("status", "reason", "times"),
    [(503, "unreachable", fetch.ATTEMPTS), (404, "not-found", 1), (403, "refused", 1), (418, "refused", 1)],
)
def test_trouble_that_stays_is_told(web, request_, status, reason, times):
    web.pages["/x"] = lambda handler: handler.answer(status)
    with pytest.raises(Unusable, match=f"{web.url}/x.*{status}") as told:
        fetch.file(f"{web.url}/x?token=secret", request_)
    assert told.value.reason == reason
    assert "secret" not in str(told.value)
    assert len(web.asked) == times
    assert left(request_) == []


def test_a_silent_server_is_given_up(web, request_):
    def silent(handler):
        web.over.wait(60)

    def stalls(handler):
        handler.answer(200, DATA[:1000], length=len(DATA))
        handler.wfile.flush()
        web.over.wait(60)

    web.pages |= {"/silent": silent, "/stalls": stalls}
    quick = Request(source="x", rest="x", scratch=request_.scratch, cache=request_.cache, timeout=0.3)
    for path in web.pages:
        with pytest.raises(Unusable, match=r"said nothing for 0\.3 seconds") as told:
            fetch.file(web.url + path, quick)
        assert told.value.reason == "timeout"
    assert left(request_) == []


def test_nobody_there(request_):
    with pytest.raises(Unusable, match="connection failed") as told:
        fetch.file("http://127.0.0.1:1/x?token=secret", request_)
    assert told.value.reason == "unreachable"
    assert "secret" not in str(told.value)


def test_what_a_checksum_names_is_kept_and_not_fetched_again(web, request_):
    web.pages["/x"] = DATA
    path = fetch.file(f"{web.url}/x", request_, SHA256)
    assert path.parent == request_.cache / "downloads"
    assert fetch.file(f"{web.url}/x", request_, SHA256) == path
    assert len(web.asked) == 1
    path.write_bytes(b"damaged")
    assert fetch.file(f"{web.url}/x", request_, SHA256).read_bytes() == DATA
    assert left(request_) == [path]


def test_a_wrong_checksum_leaves_nothing(web, request_):
    web.pages["/x"] = DATA[:-1] + b"!"
    with pytest.raises(Unusable, match="wrong checksum") as told:
        fetch.file(f"{web.url}/x", request_, SHA256)
    assert SHA256.value in str(told.value)
    assert hashlib.sha256(web.pages["/x"]).hexdigest() in str(told.value)
    assert left(request_) == []


def test_the_strongest_checksum_is_used():
    sums = {name: hashlib.new(name, b"x").hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
    assert fetch.strongest(sums) == Checksum("sha512", sums["sha512"])
    assert fetch.strongest({"sha256": "no hex", "sha1": sums["sha1"]}) == Checksum("sha1", sums["sha1"])
    assert fetch.strongest({"crc": "1"}) is None
    sri = " ".join(f"{n}-{base64.b64encode(bytes.fromhex(v)).decode()}?opt" for n, v in sums.items())
    assert fetch.integrity(sri) == Checksum("sha512", sums["sha512"])
    assert fetch.integrity("sha512-!!! nonsense") is None


def test_too_large_is_given_up(web, request_, monkeypatch):
    monkeypatch.setattr(fetch, "MOST_BYTES", 1000)
    monkeypatch.setattr(fetch, "MOST_DOCUMENT_BYTES", 1000)
    web.pages["/x"] = DATA
    for ask in (lambda: fetch.file(f"{web.url}/x", request_), lambda: fetch.document(f"{web.url}/x", request_, "*/*")):
        with pytest.raises(Unusable, match="more than 1000") as told:
            ask()
        assert told.value.reason == "too-large"
    assert left(request_) == []


def sent_on(where):
    return lambda handler: handler.answer(302, headers={"Location": where})


@pytest.mark.parametrize("where", ["http://[", "http://a..b/", "//"])
def test_what_is_no_address_cannot_be_asked(web, request_, where):
    web.pages["/x"] = sent_on(where)
    with pytest.raises(Unusable):
        fetch.file(f"{web.url}/x", request_)
    if where.startswith("http"):
        with pytest.raises(Unusable):
            fetch.file(where, request_)


def test_redirections_end(web, request_):
    web.pages |= {"/loop": sent_on("/loop"), "/file": sent_on("file:///etc/passwd"), "/a": sent_on("b"), "/b": DATA}
    with pytest.raises(Unusable, match="sent on more than"):
        fetch.file(f"{web.url}/loop", request_)
    with pytest.raises(Unusable, match="neither http nor https"):
        fetch.file(f"{web.url}/file", request_)
    assert fetch.file(f"{web.url}/a", request_).read_bytes() == DATA


def test_a_password_goes_to_nobody_else(web, other_web, request_):
    web.pages["/x"] = sent_on(f"{other_web.url}/y")
    other_web.pages["/y"] = DATA
    fetch.file(web.url.replace("//", "//user:secret@") + "/x", request_)
    assert web.asked[0][1]["Authorization"].startswith("Basic ")
    assert "Authorization" not in other_web.asked[0][1]
    web.pages["/x"] = sent_on("/gone")
    with pytest.raises(Unusable) as told:
        fetch.file(web.url.replace("//", "//user:secret@") + "/x", request_)
    assert "secret" not in str(told.value)


def test_a_full_disk_leaves_nothing(web, request_, monkeypatch):
    """The limit on the size of files stands for the end of a disk: writing fails with an OSError of its own."""
    resource = pytest.importorskip("resource")
    web.pages["/x"] = DATA
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            fetch.file(f"{web.url}/x", request_)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left(request_) == []


def test_a_document_and_its_kind(web, request_):
    web.pages["/x"], web.types["/x"] = b"{}", "Application/JSON; charset=utf-8"
    found = fetch.document(f"{web.url}/x", request_, "application/json")
    assert (found.data, found.media_type, found.url) == (b"{}", "application/json", f"{web.url}/x")
    assert web.asked[0][1]["Accept"] == "application/json"
