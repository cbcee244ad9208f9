"""Packages: registries on 127.0.0.1 in the forms of PyPI and npm, source packages made by Debian's own tools."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelake
from codelake.lake import sources
from codelake.lake.sources import Failure, Request, fetch, packages
from codelake.lake.sources.declared import in_debian_copyright, in_package_json
from codelake.lake.sources.when import when

METADATA = "Metadata-Version: 2.4\nName: demo\nVersion: {version}\nLicense-Expression: MIT\n\nText.\n"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(fetch, "LONGEST_WAIT_SECONDS", 0.01)


def tar_gz(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            made.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def sdist(version, name="demo"):
    top = f"{name}-{version}"
    return tar_gz({f"{top}/PKG-INFO": METADATA.format(version=version), f"{top}/demo.py": f"version = {version!r}\n"})


def wheel(version):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("demo/__init__.py", f"version = {version!r}\n")
        made.writestr(f"demo-{version}.dist-info/METADATA", METADATA.format(version=version))
    return out.getvalue()


class Index:
    """A package index with one project, `demo`."""

    def __init__(self, web):
        self.web, self.files = web, []

    def add(self, name, data, uploaded=None, **more):
        self.web.pages[f"/files/{name}"] = data
        hashes = {"sha256": hashlib.sha256(data).hexdigest()}
        dated = {"upload-time": f"{uploaded}T12:00:00.000000Z"} if uploaded else {}
        self.files.append({"filename": name, "url": f"../../files/{name}", "hashes": hashes, **dated, **more})
        self.write()

    def write(self):
        page = {"meta": {"api-version": "1.1"}, "name": "demo", "files": self.files}
        self.web.pages["/simple/demo/"] = json.dumps(page).encode()
        self.web.types["/simple/demo/"] = JSON_TYPE

    def write_html(self):
        links = [
            f'<a href="{f["url"]}#sha256={f["hashes"]["sha256"]}"{" data-yanked" if f.get("yanked") else ""}>x</a>'
            for f in self.files
        ]
        self.web.pages["/simple/demo/"] = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
        self.web.types["/simple/demo/"] = "text/html"


@pytest.fixture
def index(web, monkeypatch):
    """An index with four final versions, one of them yanked and one a fix of an old line, and a candidate."""
    monkeypatch.setenv("CODELAKE_PYPI_INDEX", f"{web.url}/simple/")
    made = Index(web)
    made.add("demo-1.0.tar.gz", sdist("1.0"), "2020-01-10")
    made.add("demo-1.0-py3-none-any.whl", wheel("1.0"), "2020-01-10")
    made.add("demo-2.0-py3-none-any.whl", wheel("2.0"), "2021-01-10")
    made.add("demo-1.0.1.tar.gz", sdist("1.0.1"), "2021-06-10")
    made.add("demo-3.0.tar.gz", sdist("3.0"), "2022-01-10", yanked="broken")
    made.add("demo-4.0rc1.tar.gz", sdist("4.0rc1"), "2023-01-10")
    made.add("demo-0.1.exe", b"no source", "2019-01-10")
    return made


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "scratch").mkdir()

    def ask(source, **asked):
        request = Request(
            source=source,
            rest="",
            when=when(**asked),
            scratch=tmp_path / "scratch",
            cache=tmp_path / "cache",
            timeout=20,
        )
        return list(sources.visits(request))

    return ask


def paths(visit):
    return [entry.path.decode() for entry in visit.entries]


def contents(visit):
    opened = visit.reader.open()
    found = {
        e.path.decode(): item.stream.read() for e, item in zip(visit.entries, opened.read(visit.entries), strict=True)
    }
    opened.close()
    return found


@pytest.mark.parametrize("form", ["json", "html"])
def test_the_present_is_the_highest_final_version_not_withdrawn(index, ask, form):
    if form == "html":
        index.write_html()
    [visit] = ask("pypi:Demo")
    assert (visit.repo_name, visit.repo_url, visit.vcs, visit.revision_id) == (
        "demo",
        "pkg:pypi/demo",
        "package",
        "2.0",
    )
    assert visit.revision_date == (datetime(2021, 1, 10, 12) if form == "json" else None)
    assert (visit.declared_license, visit.host) == ("MIT", "127.0.0.1")
    # There is no source distribution of this one; a wheel has no folder around it.
    assert paths(visit) == ["demo-2.0.dist-info/METADATA", "demo/__init__.py"]


def test_a_source_distribution_is_preferred(index, ask):
    [visit] = ask("pypi:demo==1.0.0")
    assert (visit.revision_id, paths(visit)) == ("1.0", ["PKG-INFO", "demo.py"])
    assert visit.declared_license == "MIT"


def test_a_withdrawn_version_is_there_for_who_asks(index, ask):
    assert [v.revision_id for v in ask("pypi:demo==3.0")] == ["3.0"]
    assert [v.revision_id for v in ask("pypi:demo", at="3.0")] == ["3.0"]


def test_points_in_time_are_what_an_installer_would_have_chosen(index, ask):
    visits = ask("pypi:demo", at=["2020-06-01", "2021-12-31", "2024", "1.0.1"])
    assert [(v.visit_date.date().isoformat(), v.revision_id) for v in visits] == [
        ("2020-06-01", "1.0"),
        ("2021-06-10", "1.0.1"),
        ("2021-12-31", "2.0"),
        ("2024-01-01", "2.0"),
    ]
    every = ask("pypi:demo", every="year", since="2020", until="2022")
    assert [(v.visit_date.year, v.revision_id) for v in every] == [(2021, "1.0"), (2022, "2.0")]
    tags = ask("pypi:demo", all_tags=True)
    assert [v.revision_id for v in tags] == ["1.0", "2.0", "1.0.1", "4.0rc1"]
    assert {v.of for v in tags} == {4}


def test_versions_are_visits_of_one_repository(lake, index):
    report = lake.ingest("pypi:demo", all_tags=True)
    assert (report["visits"], report.whole) == (4, True)
    rows = lake.sql("SELECT repo_url, revision_id, revision_date FROM repos ORDER BY visit_date").fetchall()
    assert [row[1] for row in rows] == ["1.0", "2.0", "1.0.1", "4.0rc1"]
    assert {row[0] for row in rows} == {"pkg:pypi/demo"}


@pytest.mark.parametrize(
    ("source", "asked", "said"),
    [
        ("pypi:demo==9.9", {}, "no version 9.9"),
        ("pypi:demo", {"at": "2001"}, "nothing is there yet on 2001"),
        ("pypi:demo", {"at": "newest"}, "no tag, branch or revision newest"),
        ("pypi:absent", {}, "there is nothing"),
        ("npm:absent", {}, "there is nothing"),
    ],
)
def test_what_is_not_there_is_a_failure(index, npm, ask, source, asked, said):
    [failure] = ask(source, **asked)
    assert isinstance(failure, Failure)
    assert said in failure.message
    assert failure.reason == "not-found"


def test_an_index_without_dates_has_no_past(index, ask):
    index.write_html()
    [failure] = ask("pypi:demo", at="2020")
    assert "does not say when" in failure.message


@pytest.mark.parametrize(
    "source", ["pypi:", "pypi:../x", "pypi:demo==", "pypi:demo==a b", "npm:", "npm:x@", "npm:../x", "npm:@a", "npm:a/b"]
)
def test_what_is_no_name_is_an_error_in_words(ask, source):
    with pytest.raises(codelake.SourceError, match=r"write|no version"):
        ask(source)


def test_a_version_and_a_time_exclude_each_other(ask):
    for source in ("pypi:demo==1.0", "npm:demo@1.0.0", "npm:@a/b@1.0.0"):
        with pytest.raises(codelake.SourceError, match="no history"):
            ask(source, at="2020")


def test_a_bad_version_is_quarantined_and_the_others_go_on(lake, index, web):
    """A checksum that does not hold, a file cut off where it was made, one that is gone, and one that is good."""
    web.pages["/files/demo-1.0.tar.gz"] = sdist("1.0") + b"!"
    web.pages["/files/demo-4.0rc1.tar.gz"] = None
    index.add("demo-5.0.tar.gz", sdist("5.0")[:30], "2024-01-10")
    report = lake.ingest("pypi:demo", all_tags=True)
    assert (report["visits"], report.whole) == (2, False)
    found = dict(lake.sql("SELECT repo_name, reason FROM drops").fetchall())
    assert found == {"demo 1.0": "wrong-checksum", "demo 4.0rc1": "not-found", "demo 5.0": "truncated"}
    assert any("sha256 is" in message and "should be" in message for _, message in report.failures)


def test_a_silent_index_is_a_failure_and_the_rest_goes_on(lake, index, web, checkout):
    web.pages["/simple/slow/"] = lambda handler: web.over.wait(60)
    report = lake.ingest("pypi:slow", str(checkout), timeout=0.3)
    assert report["visits"] == 1
    assert lake.sql("SELECT repo_name, reason FROM drops WHERE reason <> 'binary'").fetchall() == [
        ("pypi:slow", "timeout")
    ]


@pytest.mark.parametrize(
    "page",
    [b"", b"[", b"[]", b'{"files": 1}', b'{"files": [1, {"filename": 1, "url": 2}]}', b'{"files": null}', b"[" * 99999],
)
def test_an_index_that_answers_nonsense(index, web, ask, page):
    web.pages["/simple/demo/"] = page
    [failure] = ask("pypi:demo")
    assert isinstance(failure, Failure)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["http://[", "demo-1.0.tar.gz"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
FILES = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("filename", "url", "hashes", "yanked", "upload-time"), VALUES)),
    max_size=4,
)


@given(page=st.fixed_dictionaries({}, optional={"meta": VALUES, "files": FILES | VALUES}))
def test_no_answer_of_an_index_raises_anything_else(page):
    answer = fetch.Document(json.dumps(page).encode(), JSON_TYPE, "http://127.0.0.1/simple/demo/")
    try:
        files = list(packages._json_files(answer))
    except fetch.Unusable:
        return
    for file in files:
        packages._parse_filename(file.version, "demo")


@given(
    page=st.text(max_size=200) | st.sampled_from(["<![x[", "<a href='http://[#x'>", f"<a href=demo-{'9' * 5000}.zip>"])
)
def test_no_page_of_an_index_raises_anything_else(page):
    answer = fetch.Document(page.encode("utf-8", "surrogatepass"), "text/html", "http://127.0.0.1/simple/demo/")
    try:
        files = list(packages._html_files(answer))
    except fetch.Unusable:
        return
    for file in files:
        packages._parse_filename(file.version, "demo")


@given(data=st.binary(max_size=300), name=st.sampled_from([b"", b"Source: x\nVersion: 1\n", b"Files:\n a 1 b\n"]))
def test_no_dsc_raises_anything_else(data, name):
    with contextlib.suppress(fetch.Unusable):
        packages._listed(packages._control(name + data))
    in_debian_copyright(data)
    in_package_json(data)


def test_old_names_of_files(index, ask):
    index.add("Demo-6.0-beta2.zip", sdist("6"), "2024-01-10")
    index.add("demo-extras-7.0.tar.gz", sdist("7"), "2024-01-10")
    tags = {v.revision_id for v in ask("pypi:demo", all_tags=True) if not isinstance(v, Failure)}
    assert "6.0b2" in tags
    assert "7.0" not in tags


def test_a_real_source_distribution(index, lake, web, tmp_path):
    """six, as the ordinary client brings it: every file and the licence that its metadata has."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", tmp_path]
    done = subprocess.run([*command, "six==1.17.0"], capture_output=True, text=True, check=False)
    files = list(tmp_path.glob("six-*.tar.gz"))
    if done.returncode or not files:
        pytest.skip(f"six 1.17.0 cannot be downloaded from the package registry: {done.stderr.strip()[-200:]}")
    page = {"files": [{"filename": files[0].name, "url": f"{web.url}/f", "hashes": {}}]}
    web.pages |= {"/simple/six/": json.dumps(page).encode(), "/f": files[0].read_bytes()}
    web.types["/simple/six/"] = JSON_TYPE
    report = lake.ingest("pypi:six")
    assert report.whole
    assert lake.sql("SELECT revision_id, declared_license FROM repos").fetchall() == [
        ("1.17.0", "MIT\nLicense :: OSI Approved :: MIT License")
    ]
    with tarfile.open(files[0]) as oracle:
        expected = {m.name.split("/", 1)[1]: oracle.extractfile(m).read() for m in oracle if m.isreg()}
    rows = lake.sql("SELECT files.path, content FROM files JOIN blobs USING (blob_id)").fetchall()
    assert dict(rows) == expected


def npm_package(name="demo", license="MIT", **more):
    manifest = {"name": name, "license": license, **more}
    return tar_gz({"package/package.json": json.dumps(manifest), "package/index.js": "module.exports = 1\n"})


class Registry:
    """An npm registry: `publish` adds a version."""

    def __init__(self, web):
        self.web, self.documents = web, {}

    def publish(self, name, version, data, date, *, tag="latest", **dist):
        document = self.documents.setdefault(name, {"name": name, "versions": {}, "time": {}, "dist-tags": {}})
        file = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        sri = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
        document["versions"][version] = {"dist": {"tarball": self.web.url + file, "integrity": sri} | dist}
        document["time"][version] = f"{date}T08:00:00.000Z"
        document["dist-tags"][tag] = version
        self.web.pages |= {file: data, f"/{name.replace('/', '%2F')}": json.dumps(document).encode()}


@pytest.fixture
def npm(web, monkeypatch):
    monkeypatch.setenv("CODELAKE_NPM_REGISTRY", web.url)
    made = Registry(web)
    made.publish("demo", "1.0.0", npm_package(license={"type": "BSD"}), "2020-01-10")
    made.publish("demo", "1.10.0", npm_package(licenses=[{"type": "MIT"}, {"type": "Apache-2.0"}]), "2021-01-10")
    made.publish("demo", "1.9.0", npm_package(), "2021-02-10", tag="old")
    made.publish("demo", "2.0.0-rc.1", npm_package(), "2022-01-10", tag="next")
    return made


def test_npm_versions_and_tags(npm, ask):
    [latest] = ask("npm:demo")
    assert (latest.revision_id, latest.repo_url, latest.vcs) == ("1.10.0", "pkg:npm/demo", "package")
    assert paths(latest) == ["index.js", "package.json"]
    assert latest.declared_license == "MIT\nApache-2.0"
    assert latest.revision_date == datetime(2021, 1, 10, 8)
    assert [v.revision_id for v in ask("npm:demo@next")] == ["2.0.0-rc.1"]
    [old] = ask("npm:demo@1.0.0")
    assert (old.revision_id, old.declared_license) == ("1.0.0", "BSD")


def test_npm_in_time(npm, ask):
    visits = ask("npm:demo", at=["2020-06-01", "2024-01-01", "1.9.0"])
    assert [v.revision_id for v in visits] == ["1.0.0", "1.9.0", "1.10.0"]
    assert [v.revision_id for v in ask("npm:demo", all_tags=True)] == ["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"]


def test_a_scoped_npm_package(npm, ask):
    npm.publish("@scope/thing", "1.0.0", npm_package("@scope/thing"), "2020-01-10")
    for source in ("npm:@scope/thing", "npm:@scope/thing@1.0.0"):
        [visit] = ask(source)
        assert (visit.repo_name, visit.repo_url, visit.owner) == ("@scope/thing", "pkg:npm/%40scope/thing", "@scope")


def test_npm_checksums_are_held_to(npm, web, ask):
    data = npm_package()
    npm.publish("old", "1.0.0", data, "2012-01-10", integrity=None, shasum=hashlib.sha1(data).hexdigest())
    assert [v.revision_id for v in ask("npm:old")] == ["1.0.0"]
    for name in ("old", "demo"):
        version = "1.0.0"
        npm.publish(name, "1.0.0", data, "2012-01-10", integrity=None, shasum="0" * 40)
        [failure] = ask(f"npm:{name}@{version}")
        assert (failure.name, failure.reason) == (f"{name} 1.0.0", "wrong-checksum")


def test_a_real_npm_package(npm, lake, web, tmp_path):
    """left-pad, as the ordinary client brings it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed (apt-get install npm)")
    done = subprocess.run(["npm", "pack", "left-pad@1.3.0"], cwd=tmp_path, capture_output=True, text=True, check=False)
    files = list(tmp_path.glob("left-pad-*.tgz"))
    if done.returncode or not files:
        pytest.skip(f"left-pad 1.3.0 cannot be downloaded from the package registry: {done.stderr.strip()[-200:]}")
    npm.publish("left-pad", "1.3.0", files[0].read_bytes(), "2018-04-09")
    report = lake.ingest("npm:left-pad@1.3.0")
    assert report.whole
    assert lake.sql("SELECT revision_id, declared_license FROM repos").fetchall() == [("1.3.0", "WTFPL")]
    with tarfile.open(files[0]) as oracle:
        expected = {m.name.split("/", 1)[1]: oracle.extractfile(m).read() for m in oracle if m.isreg()}
    assert dict(lake.sql("SELECT files.path, content FROM files JOIN blobs USING (blob_id)").fetchall()) == expected


COPYRIGHT = "Format: https://x\n\nFiles: *\nCopyright: A\nLicense: GPL-2+\n text\n\nFiles: debian/*\nLicense: MIT\n"
CHANGELOG = "demo ({version}) unstable; urgency=low\n\n  * First.\n\n -- A B <a@b>  Mon, 06 Jan 2020 10:00:00 +0100\n"


@pytest.fixture
def made(tmp_path):
    """`made(format, version)` makes a source package with dpkg-source; gives its .dsc."""
    if shutil.which("dpkg-source") is None:
        pytest.skip("dpkg-source is not installed (apt-get install dpkg-dev)")

    def make(form, version, component=False):
        root = tmp_path / "demo-1.0"
        (root / "src").mkdir(parents=True)
        (root / "src" / "main.c").write_text("int main(void) { return 0; }\n")
        (root / "configure").write_text("#!/bin/sh\n")
        (root / "configure").chmod(0o755)
        upstream = tmp_path / "demo_1.0.orig.tar.gz"
        if "-" in version:
            (root / "debian").mkdir()
            (root / "debian" / "upstream-had-this").write_text("x")
            subprocess.run(["tar", "-czf", upstream, "-C", tmp_path, "demo-1.0"], check=True)
            (root / "debian" / "upstream-had-this").unlink()
        if component:
            (root / "extra").mkdir()
            (root / "extra" / "more.c").write_text("int more;\n")
            subprocess.run(["tar", "-cJf", tmp_path / "demo_1.0.orig-extra.tar.xz", "-C", root, "extra"], check=True)
        debian = root / "debian"
        (debian / "source").mkdir(parents=True)
        (debian / "source" / "format").write_text(form + "\n")
        (debian / "changelog").write_text(CHANGELOG.format(version=version))
        (debian / "copyright").write_text(COPYRIGHT)
        (debian / "control").write_text(
            "Source: demo\nMaintainer: A B <a@b>\nStandards-Version: 4.6.0\n\nPackage: demo\nArchitecture: any\n"
            "Description: demo\n"
        )
        if form == "3.0 (quilt)":
            (debian / "patches").mkdir()
            (debian / "patches" / "series").write_text("fix.patch\n")
            (debian / "patches" / "fix.patch").write_text(
                "--- a/src/main.c\n+++ b/src/main.c\n@@ -1 +1 @@\n"
                "-int main(void) { return 0; }\n+int main(void) { return 1; }\n"
            )
            (root / "src" / "main.c").write_text("int main(void) { return 1; }\n")
        done = subprocess.run(
            ["dpkg-source", "-b", "demo-1.0"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return tmp_path / f"demo_{version}.dsc"

    return make


def extracted(dsc, *options):
    """What dpkg-source makes of it."""
    out = dsc.parent / "out"
    subprocess.run(["dpkg-source", "--no-check", *options, "-x", dsc, out], check=True, capture_output=True)
    shutil.rmtree(out / ".pc", ignore_errors=True)
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("form", "version", "component"),
    [
        ("3.0 (native)", "1.0", False),
        ("3.0 (quilt)", "1.0-1", False),
        ("3.0 (quilt)", "1.0-1", True),
        ("1.0", "1.0", False),
    ],
)
def test_a_debian_package_is_what_dpkg_source_extracts(made, ask, form, version, component):
    dsc = made(form, version, component)
    [visit] = ask(f"deb-src:{dsc}")
    assert contents(visit) == extracted(dsc, *(["--skip-patches"] if form == "3.0 (quilt)" else []))
    assert (visit.repo_name, visit.repo_url, visit.revision_id) == ("demo", "pkg:deb/debian/demo", version)
    assert (visit.declared_license, visit.author) == ("GPL-2+", "A B <a@b>")
    assert visit.revision_date == datetime(2020, 1, 6, 9)
    assert [entry.mode for entry in visit.entries if entry.path == b"configure"] == ["100755"]


def test_the_difference_of_format_1_is_kept_beside_the_upstream_tree(made, ask):
    dsc = made("1.0", "1.0-1")
    [visit] = ask(f"deb-src:{dsc}")
    found = contents(visit)
    diff = gzip.decompress((dsc.parent / "demo_1.0-1.diff.gz").read_bytes())
    assert found["debian-diff/demo_1.0-1.diff"] == diff
    assert found["src/main.c"] == b"int main(void) { return 0; }\n"
    assert b"debian/changelog" in diff


def test_a_debian_package_by_address(made, lake, web, tmp_path):
    dsc = made("3.0 (quilt)", "1.0-1")
    for path in tmp_path.glob("demo_*"):
        web.pages[f"/pool/{path.name}"] = path.read_bytes()
    report = lake.ingest(f"deb-src:{web.url}/pool/{dsc.name}")
    assert (report["visits"], report.whole) == (1, True)
    assert lake.sql("SELECT host, revision_id FROM repos").fetchall() == [("127.0.0.1", "1.0-1")]


def signed(data):
    return b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + data + b"\n-----BEGIN PGP SIGNATURE-----\n\nabc\n"


def test_a_signature_around_it_is_taken_off(made, ask):
    dsc = made("3.0 (native)", "1.0")
    dsc.write_bytes(signed(dsc.read_bytes()))
    [visit] = ask(f"deb-src:{dsc}")
    assert visit.revision_id == "1.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: "no dsc at all", "corrupt"),
        (lambda text: text.replace(" demo_1.0.tar", " ../../etc/demo_1.0.tar"), "corrupt"),
        (lambda text: text.replace(" demo_1.0.tar", " other_1.0.tar"), "missing"),
        (lambda text: text.replace("3.0 (native)", "3.0 (git)"), "unsupported"),
        (lambda text: text.replace("3.0 (native)", "3.0 (quilt)"), "corrupt"),
        (lambda text: text.split("Checksums")[0], "corrupt"),
    ],
)
def test_a_dsc_that_cannot_be_followed(made, ask, change, reason):
    dsc = made("3.0 (native)", "1.0")
    dsc.write_text(change(dsc.read_text()))
    [failure] = ask(f"deb-src:{dsc}")
    assert (type(failure), failure.reason) == (Failure, reason)


def test_debian_checksums_are_held_to(made, ask, tmp_path):
    dsc = made("3.0 (native)", "1.0")
    [tarball] = tmp_path.glob("demo_1.0.tar.*")
    tarball.write_bytes(tarball.read_bytes() + b"!")
    [failure] = ask(f"deb-src:{dsc}")
    assert failure.reason == "wrong-checksum"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_nothing_unpacked_is_left_behind(made, ask, index, tmp_path):
    dsc = made("3.0 (quilt)", "1.0-1")
    for source in (f"deb-src:{dsc}", "pypi:demo", "pypi:demo==1.0"):
        for visit in ask(source):
            contents(visit)
            visit.release()
    assert list(Path(tmp_path / "scratch").iterdir()) == []
