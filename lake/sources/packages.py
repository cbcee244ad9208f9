"""`pypi:NAME[==VERSION]`, `npm:NAME[@VERSION]`, `deb-src:FILE-or-URL.dsc`: published packages, nothing of them run.

One repository is one package, by its purl, and one visit is one version: its revision is the version, its date the one
of the upload. Of a Python package the source distribution is taken, or, where there is none, a wheel (the one for any
platform, else the first by name). In time, the main line is the highest final version so far, what an installer would
have chosen on that day; versions that were withdrawn (yanked) are visited only when asked for by their number.

A Debian source package is what its files hold, before any patch: the upstream tree with debian/ of its own (3.0), each
further component in its folder, or beside the one difference of format 1.0, kept as debian-diff/NAME.diff. Checksums
are held to; the OpenPGP signature of a .dsc is not verified.
"""

import email
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ...engine.errors import SourceError
from . import FILE, Entry, Failure, Lost, Request, Visit, archive, fetch
from .archive import Spans, Tree
from .declared import in_core_metadata, in_debian_copyright, in_package_json
from .fetch import Checksum, Unusable
from .members import Fault
from .when import NOW, Point, parse_date, stops

# PEP 691 and PEP 503: what an index may answer, best first.
_INDEX_TYPES = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
# Scoped or not, as the registry has ever taken them (https://docs.npmjs.com/cli/configuring-npm/package-json#name).
_NPM_NAME = re.compile(r"(?:@[\w~-][\w.~-]*/)?[\w~!'()*-][\w.~!'()*-]*", re.ASCII)
_SEMVER = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


@dataclass(frozen=True)
class Release:
    """One version on offer: what it is called and sorted by, when it was published, and its one file to read."""

    version: str
    key: Any
    final: bool
    date: datetime | None
    url: str
    checksum: Checksum | None
    withdrawn: bool = False


@dataclass(frozen=True, kw_only=True)
class _Package:
    """A package of a registry. find: the version that a number or a tag stands for. declared: its licence in a tree."""

    name: str
    purl: str
    host: str | None
    owner: str | None
    releases: Sequence[Release]
    find: Callable[[str], Release | None]
    latest: Release | None
    declared: Callable[[Tree], str | None]


def pypi(request: Request) -> Iterator[Visit | Failure]:
    """One visit for each version asked for. Raises SourceError for what is no name or version of a Python package.

    The index is CODELAKE_PYPI_INDEX, else PIP_INDEX_URL, else https://pypi.org/simple.
    """
    name, equals, version = (part.strip() for part in request.rest.partition("=="))
    try:
        name = canonicalize_name(name, validate=True)
        if equals:
            Version(version)
    except InvalidName:
        raise SourceError(f"{request.source}: {name!r} is no name of a Python package; write pypi:NAME") from None
    except ValueError:
        raise SourceError(f"{request.source}: {version!r} is no version; write pypi:NAME==VERSION") from None
    if equals:
        request.without_history("one version of a package")
    index = os.environ.get("CODELAKE_PYPI_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
    return _visits(request, lambda: _pypi_package(name, index, request), version or None)


def npm(request: Request) -> Iterator[Visit | Failure]:
    """One visit for each version asked for. Raises SourceError for what is no name of an npm package.

    The registry is CODELAKE_NPM_REGISTRY, else npm_config_registry, else https://registry.npmjs.org.
    """
    at = request.rest.find("@", 1)
    name, version = (request.rest, "") if at < 0 else (request.rest[:at], request.rest[at + 1 :])
    if not _NPM_NAME.fullmatch(name) or (at > 0 and not version):
        raise SourceError(f"{request.source}: write npm:NAME, npm:NAME@VERSION or npm:@SCOPE/NAME@VERSION")
    if version:
        request.without_history("one version of a package")
    registry = os.environ.get("CODELAKE_NPM_REGISTRY") or os.environ.get("npm_config_registry")  # noqa: SIM112
    return _visits(
        request, lambda: _npm_package(name, registry or "https://registry.npmjs.org", request), version or None
    )


def _visits(request: Request, get: Callable[[], _Package], version: str | None) -> Iterator[Visit | Failure]:
    try:
        package = get()
    except Unusable as error:
        yield Failure(request.source, str(error), error.reason)
        return
    chosen, problems = _chosen(request, package, version)
    for problem in problems:
        yield Failure(request.source, problem, "not-found")
    for date, release in chosen:
        yield _visit(request, package, date, release, len(chosen))


def _chosen(
    request: Request, package: _Package, version: str | None
) -> tuple[list[tuple[datetime, Release]], list[str]]:
    """The versions to visit, each with the date of its visit, and what could not be answered."""
    if request.when == NOW:
        release = package.latest if version is None else package.find(version)
        if release is None:
            what = f"there is no version {version}" if version else "it has no version that can be read"
            return [], [f"{request.source}: {what}"]
        return [(request.started, release)], []
    dated = sorted((r for r in package.releases if r.date is not None), key=lambda r: (r.date, r.version))
    if not dated:
        return [], [f"{request.source}: the registry does not say when its versions were published"]
    by_version = {release.version: release for release in package.releases}

    def named(name: str) -> Point | None:
        found = package.find(name)
        return _point(found) if found is not None and found.date is not None else None

    found, problems = stops(
        request.when,
        line=lambda: [_point(release) for release in _line(dated)],
        named=named,
        tags=lambda: [_point(release) for release in dated if not release.withdrawn],
        now=request.started,
    )
    return [(stop.visit_date, by_version[stop.point.revision]) for stop in found], problems


def _point(release: Release) -> Point:
    assert release.date is not None
    return Point(release.version, release.date, release.version)


def _line(dated: Iterable[Release]) -> list[Release]:
    """Those that were the highest final version when they came; the highest of all until there is a final one."""
    line: list[Release] = []
    for release in dated:
        best = line[-1] if line else None
        if not release.withdrawn and (best is None or (release.final, release.key) > (best.final, best.key)):
            line.append(release)
    return line


def _latest(releases: Sequence[Release]) -> Release | None:
    return max(releases, key=lambda r: (not r.withdrawn, r.final, r.key), default=None)


def _visit(request: Request, package: _Package, date: datetime, release: Release, of: int) -> Visit | Failure:
    name = f"{package.name} {release.version}"
    try:
        path = fetch.file(release.url, request, release.checksum)
        # A wheel has no folder around it, though all it holds may lie in one.
        tree = archive.opened(path, request.scratch, strip=not fetch.shown(release.url).endswith(".whl"))
    except Unusable as error:
        return Failure(name, str(error), error.reason)
    except Fault as fault:
        return Failure(name, f"{fetch.shown(release.url)}: {fault}", fault.reason)
    return Visit(
        repo_name=package.name,
        repo_url=package.purl,
        source=request.source,
        vcs="package",
        visit_date=date,
        host=package.host,
        owner=package.owner,
        revision_id=release.version,
        revision_date=release.date,
        declared_license=package.declared(tree),
        entries=tree.entries,
        lost=tree.lost,
        reader=tree.reader,
        release=tree.release,
        of=of,
    )


def _pypi_package(name: str, index: str, request: Request) -> _Package:
    answer = fetch.document(f"{index.rstrip('/')}/{name}/", request, _INDEX_TYPES)
    files = _json_files(answer) if answer.media_type.endswith("json") else _html_files(answer)
    best: dict[Version, tuple[tuple[bool, int, str], Release]] = {}
    for file in files:
        parsed = _parse_filename(file.version, name)
        if parsed is None:
            continue
        version, rank = parsed
        order = (file.withdrawn, rank, file.version)
        release = replace(file, version=str(version), key=version, final=not version.is_prerelease)
        if version not in best or order < best[version][0]:
            best[version] = (order, release)
    releases = [release for _, release in best.values()]

    def find(text: str) -> Release | None:
        try:
            wanted = Version(text)
        except ValueError:
            return None
        return next((release for release in releases if release.key == wanted), None)

    return _Package(
        name=name, purl=f"pkg:pypi/{name}", host=urlsplit(index).hostname, owner=None, releases=releases, find=find,
        latest=_latest(releases), declared=_python_license,
    )  # fmt: skip


def _json_files(answer: fetch.Document) -> Iterator[Release]:
    """The files of a PEP 691 answer; `version` is the name of the file still."""
    stated = _parsed(answer)
    if not str(_item(stated, "meta", "api-version") or "1.0").startswith("1."):
        raise Unusable("unsupported", f"{fetch.shown(answer.url)}: a newer form of index than this version reads")
    files = _item(stated, "files")
    for file in files if isinstance(files, list) else ():
        name, url = _item(file, "filename"), _item(file, "url")
        if isinstance(name, str) and isinstance(url, str):
            hashes = _item(file, "hashes")
            digests = {str(k): str(v) for k, v in hashes.items()} if isinstance(hashes, dict) else {}
            date = parse_date(str(_item(file, "upload-time")))
            withdrawn = bool(_item(file, "yanked"))
            yield Release(name, None, True, date, _joined(answer.url, url), fetch.strongest(digests), withdrawn)


def _html_files(answer: fetch.Document) -> Iterator[Release]:
    """The files of a PEP 503 answer; `version` is the name of the file still."""
    parser = _Links()
    try:
        parser.feed(answer.data.decode("utf-8", "replace"))
    except AssertionError as error:
        # html.parser has no other error for a declaration it does not know.
        raise Unusable("corrupt", f"{fetch.shown(answer.url)}: the index is no HTML: {error}") from error
    for href, withdrawn in parser.links:
        url, _, fragment = _joined(_joined(answer.url, parser.base), href).partition("#")
        algorithm, _, digest = fragment.partition("=")
        name = unquote(url.partition("?")[0].rsplit("/", 1)[-1])
        yield Release(name, None, True, None, url, fetch.strongest({algorithm: digest}), withdrawn)


def _joined(base: str, url: str) -> str:
    """`url` as seen from `base`; what is no address stays as it is, and fails when it is asked for."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


class _Links(HTMLParser):
    """The links of an index page, and whether each was yanked (PEP 592)."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, bool]] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        href = found.get("href")
        if tag == "base" and href:
            self.base = href
        elif tag == "a" and href:
            self.links.append((href, "data-yanked" in found))


def _parse_filename(filename: str, name: str) -> tuple[Version, int] | None:
    """The version of a source distribution or wheel of `name`, and how it ranks; None for anything else."""
    try:
        if filename.endswith(".whl"):
            _, version, _, tags = parse_wheel_filename(filename)
            return version, 10 if any(tag.platform == "any" for tag in tags) else 11
        for rank, suffix in enumerate(_SDIST_SUFFIXES):
            if filename.endswith(suffix):
                stem = filename.removesuffix(suffix)
                # The name may have hyphens of its own, and in old files so may the version.
                for dash in re.finditer("-", stem):
                    if canonicalize_name(stem[: dash.start()]) == name:
                        return Version(stem[dash.end() :]), rank
    except (InvalidWheelFilename, ValueError):
        return None
    return None


def _python_license(tree: Tree) -> str | None:
    for entry in tree.entries:
        if entry.path == b"PKG-INFO" or (entry.path.endswith(b".dist-info/METADATA") and entry.path.count(b"/") == 1):
            data = tree.content(entry.path)
            return in_core_metadata(email.message_from_string(data.decode("utf-8", "replace"))) if data else None
    return None


def _npm_package(name: str, registry: str, request: Request) -> _Package:
    # The whole document: the abbreviated one has no dates.
    answer = fetch.document(f"{registry.rstrip('/')}/{quote(name, safe='@')}", request, "application/json")
    stated = _parsed(answer)
    releases = {}
    versions = _item(stated, "versions")
    for version, about in versions.items() if isinstance(versions, dict) else ():
        parsed, url = _SEMVER.fullmatch(version), _item(about, "dist", "tarball")
        if parsed is None or not isinstance(url, str):
            continue
        checksum = fetch.integrity(str(_item(about, "dist", "integrity") or ""))
        checksum = checksum or fetch.strongest({"sha1": str(_item(about, "dist", "shasum"))})
        key = (*(int(number) for number in parsed.group(1, 2, 3)), parsed[4] is None, parsed[4] or "")
        date = parse_date(str(_item(stated, "time", version)))
        releases[version] = Release(version, key, parsed[4] is None, date, _joined(answer.url, url), checksum)

    def find(text: str) -> Release | None:
        return releases.get(text) or releases.get(str(_item(stated, "dist-tags", text)))

    scope, _, bare = name.rpartition("/")
    return _Package(
        name=name,
        purl=f"pkg:npm/{quote(scope, safe='')}/{bare}" if scope else f"pkg:npm/{name}",
        host=urlsplit(registry).hostname,
        owner=scope or None,
        releases=list(releases.values()),
        find=find,
        latest=find("latest") or _latest(list(releases.values())),
        declared=lambda tree: in_package_json(tree.content(b"package.json") or b""),
    )


def _parsed(answer: fetch.Document) -> Any:
    try:
        return json.loads(answer.data)
    except (ValueError, RecursionError) as error:
        raise Unusable("corrupt", f"{fetch.shown(answer.url)}: the registry's answer is no JSON: {error}") from error


def _item(stated: Any, *keys: str) -> Any:
    """What lies below `keys` in JSON; None if nothing does."""
    for key in keys:
        if not isinstance(stated, dict):
            return None
        stated = stated.get(key)
    return stated


def debian(request: Request) -> Iterator[Visit | Failure]:
    """One visit of a Debian source package. Raises SourceError if the .dsc is a file that is not there."""
    request.without_history("a Debian source package")
    if archive.is_url(request.rest):
        return _debian_visit(archive.without_secrets(request), None)
    return _debian_visit(request, archive.local(request))


def _debian_visit(request: Request, path: Path | None) -> Iterator[Visit | Failure]:
    with ExitStack() as held:
        try:
            data = path.read_bytes() if path is not None else fetch.document(request.rest, request, "*/*").data
            fields = _control(data)
            files = {file: _debian_file(request, path, file, checksum) for file, checksum in _listed(fields)}
            tree = _debian_tree(fields.get("format", "1.0"), files, request.scratch, held)
        except (Unusable, Fault) as error:
            yield Failure(request.source, f"{request.source}: {error}", error.reason)
            return
        name, version = fields["source"], fields["version"]
        signed = re.search(rb"^ -- (.+?)  (.+)$", tree.content(b"debian/changelog") or b"", re.MULTILINE)
        visit = Visit(
            repo_name=name,
            repo_url=f"pkg:deb/debian/{quote(name.lower(), safe='+.-')}",
            source=request.source,
            vcs="package",
            visit_date=request.started,
            host=urlsplit(request.rest).hostname if path is None else None,
            revision_id=version,
            revision_date=_mail_date(signed[2].decode("utf-8", "replace")) if signed else None,
            author=signed[1].decode("utf-8", "replace") if signed else None,
            declared_license=in_debian_copyright(tree.content(b"debian/copyright") or b""),
            entries=tree.entries,
            lost=tree.lost,
            reader=tree.reader,
            release=held.pop_all().close,
        )
    yield visit


def _control(data: bytes) -> dict[str, str]:
    """The fields of a .dsc (dsc(5)), by name in lower case, taken out of its signature. Raises Unusable."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        text = text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
        text = re.sub(r"^- ", "", text, flags=re.MULTILINE)
    fields: dict[str, str] = {}
    last = ""
    for line in text.lstrip("\n").split("\n"):
        if not line.strip():
            break
        if line[0] in " \t":
            fields[last] = f"{fields.get(last, '')}\n{line.strip()}"
        else:
            last, _, value = line.partition(":")
            last = last.lower()
            fields[last] = value.strip()
    if not fields.get("source") or not fields.get("version"):
        raise Unusable("corrupt", "it is no .dsc file: it has no Source or no Version")
    return fields


def _listed(fields: dict[str, str]) -> list[tuple[str, Checksum]]:
    """The files a .dsc names, with the strongest checksums it gives. Raises Unusable."""
    for field, algorithm in (("checksums-sha256", "sha256"), ("checksums-sha1", "sha1"), ("files", "md5")):
        lines = [line.split() for line in fields.get(field, "").split("\n") if line.strip()]
        if not lines:
            continue
        found = []
        for line in lines:
            checksum = fetch.strongest({algorithm: line[0]}) if len(line) == 3 else None
            # A name with a slash would lead out of the folder of the .dsc.
            if checksum is None or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+.~_%-]*", line[2]):
                raise Unusable("corrupt", f"the .dsc file names no file and checksum in: {' '.join(line)}")
            found.append((line[2], checksum))
        return found
    raise Unusable("corrupt", "the .dsc file names no files")


def _debian_file(request: Request, dsc: Path | None, name: str, checksum: Checksum) -> Path:
    if dsc is None:
        return fetch.file(urljoin(request.rest, quote(name)), request, checksum)
    path = dsc.parent / name
    if not path.is_file():
        raise Unusable("missing", f"{path} is not there, though the .dsc file names it")
    checksum.check(path, str(path))
    return path


def _debian_tree(form: str, files: dict[str, Path], scratch: Path, held: ExitStack) -> Tree:
    """The trees of all files, one laid over the other (dpkg-source(1)). held: releases what they take. Raises Fault."""
    if form not in {"1.0", "3.0 (quilt)", "3.0 (native)"}:
        raise Fault("unsupported", f"a source package of format {form}")
    layers = sorted((layer for layer in map(_layer, files) if layer is not None), key=lambda layer: layer.order)
    if not layers or (form == "3.0 (quilt)" and (layers[0].order, layers[-1].order) != (0, 2)):
        raise Fault("corrupt", f"the files that format {form} needs are not named")
    entries: dict[bytes, Entry] = {}
    lost: list[Lost] = []
    paths: list[Path] = []
    for layer in layers:
        if layer.order == 3:
            spool, fault = archive.unpack(files[layer.file], scratch)
            held.callback(spool.unlink, missing_ok=True)
            size = spool.stat().st_size
            tree = Tree([Entry(layer.folder, FILE, (0, 0, size), size)], _whole(layer.folder, fault), Spans((spool,)))
        else:
            tree = archive.opened(files[layer.file], scratch, strip=layer.order != 2)
            held.callback(tree.release)
        if not isinstance(tree.reader, Spans):
            raise Fault("corrupt", f"{layer.file} is no tar file")
        if layer.order in {1, 2}:
            # What was there under this name gives way, whole.
            gone = (layer.folder, layer.folder + b"/")
            entries = {path: e for path, e in entries.items() if path != gone[0] and not path.startswith(gone[1])}
        prefix = layer.folder + b"/" if layer.order == 1 else b""
        for entry in tree.entries:
            at = entry.at
            if isinstance(at, tuple):
                at = (len(paths) + at[0], *at[1:])
            entries[prefix + entry.path] = replace(entry, path=prefix + entry.path, at=at)
        lost += [replace(item, path=prefix + item.path) for item in tree.lost]
        paths += tree.reader.paths
    return Tree([entries[path] for path in sorted(entries)], lost, Spans(tuple(paths)))


def _whole(path: bytes, fault: Fault | None) -> list[Lost]:
    return [Lost(path, fault.reason, fault.message)] if fault is not None else []


@dataclass(frozen=True)
class _Layer:
    """order: 0 the upstream or native tree, 1 a further component in `folder`, 2 debian/, 3 the difference of 1.0."""

    order: int
    folder: bytes
    file: str


def _layer(file: str) -> _Layer | None:
    """What a file of a source package is, by its name; None for a signature."""
    if match := re.search(r"\.orig-([A-Za-z0-9-]+)\.tar\.[a-z0-9]+$", file):
        return _Layer(1, match[1].encode(), file)
    if re.search(r"\.debian\.tar\.[a-z0-9]+$", file):
        return _Layer(2, b"debian", file)
    if file.endswith(".diff.gz"):
        return _Layer(3, b"debian-diff/" + file.removesuffix(".gz").encode(), file)
    return _Layer(0, b"", file) if re.search(r"\.tar\.[a-z0-9]+$", file) else None


def _mail_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
