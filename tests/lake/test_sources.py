"""The sources: what they yield for real and for broken places."""

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import codelake
from codelake.lake import sources
from codelake.lake.sources import Failure, Request

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\n\nText.\n"


@pytest.fixture
def environment(tmp_path):
    """A folder laid out like a virtual environment, with packages made by hand."""
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)

    def package(name, version="1.0", more="License-Expression: MIT", files=None, record=None):
        files = {f"{name}/__init__.py": f"name = {name!r}\n"} if files is None else files
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA.format(name=name, version=version, more=more))
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        lines = record if record is not None else [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
        (info / "RECORD").write_text("".join(f"{line},,\n" for line in lines))

    package.root = tmp_path / "env"
    package.site = site
    return package


def visits(source, **asked):
    return sources.visits(Request(source=source, rest="", **asked))


def by_name(source):
    return {visit.repo_name: visit for visit in visits(source) if not isinstance(visit, Failure)}


def test_every_installed_distribution_is_a_repository():
    """This very environment: the names and versions importlib.metadata gives, and files that are there."""
    found = by_name("pyenv:")
    paths = {Path(p).resolve() for p in sys.path if p.endswith("site-packages")}
    installed = {
        canonicalize_name(d.metadata["Name"]): d.version
        for d in distributions(path=[str(p) for p in paths])
        if d.files is not None
    }
    assert {name: visit.revision_id for name, visit in found.items()} == installed
    numpy = found["numpy"]
    assert numpy.repo_url == "pkg:pypi/numpy"
    assert "BSD" in numpy.declared_license
    listed = {entry.path.decode() for entry in numpy.entries}
    assert "numpy/__init__.py" in listed
    assert not any(path.endswith(".pyc") for path in listed)
    # Scripts stand beside site-packages and are named as wheels name them.
    assert any(path.startswith("numpy-") and "/bin/" in path for path in listed)


@pytest.mark.parametrize(
    ("more", "declared"),
    [
        ("License-Expression: MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        (
            "License: BSD\nClassifier: License :: OSI Approved :: BSD License",
            "BSD\nLicense :: OSI Approved :: BSD License",
        ),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved", "License :: OSI Approved"),
        ("License: The Licence\n        of several lines", "The Licence"),
        ("Summary: none at all", None),
    ],
)
def test_the_declared_licence_is_recorded_word_for_word(environment, more, declared):
    environment("pkg", more=more)
    assert by_name(f"pyenv:{environment.root}")["pkg"].declared_license == declared


def test_a_python_executable_names_its_environment(environment):
    environment("pkg")
    (environment.root / "bin").mkdir()
    (environment.root / "bin" / "python").write_text("")
    assert list(by_name(f"pyenv:{environment.root}/bin/python")) == ["pkg"]


def test_broken_metadata_is_a_failure_and_the_rest_goes_on(environment):
    environment("good")
    (environment.site / "noname-1.0.dist-info").mkdir()
    (environment.site / "noname-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n\n")
    (environment.site / "norecord-1.0.dist-info").mkdir()
    (environment.site / "norecord-1.0.dist-info" / "METADATA").write_text(
        METADATA.format(name="norecord", version="1", more="")
    )
    (environment.site / "binary-1.0.dist-info").mkdir()
    (environment.site / "binary-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\0Name")
    found = list(visits(f"pyenv:{environment.root}"))
    assert [v.repo_name for v in found if not isinstance(v, Failure)] == ["good"]
    assert len([v for v in found if isinstance(v, Failure)]) == 3


def test_a_hostile_record_reads_nothing_outside_the_environment(environment, tmp_path):
    (tmp_path / "private.txt").write_text("secret")
    outside = os.path.relpath(tmp_path / "private.txt", environment.site)
    environment("evil", record=["evil/__init__.py", outside, "/etc/passwd", "missing.py", "x\0y"])
    (environment.site / "evil" / "link.py").symlink_to("/etc/passwd")
    visit = by_name(f"pyenv:{environment.root}")["evil"]
    assert [entry.path for entry in visit.entries] == [b"evil/__init__.py"]
    assert [lost.reason for lost in visit.lost] == [
        "outside-environment",
        "outside-environment",
        "unreadable",
        "unreadable",
    ]


def test_the_standard_library_is_one_repository():
    [visit] = visits("pystdlib:")
    assert (visit.repo_name, visit.declared_license) == ("cpython", "Python-2.0")
    paths = {entry.path for entry in visit.entries}
    assert b"json/decoder.py" in paths
    assert not any(b"site-packages" in path or path.endswith(b".pyc") for path in paths)


def test_a_folder_is_listed_without_its_version_control(tmp_path):
    for name in (".git/config", ".hg/store", "src/.git/x", "src/a.py", ".gitignore", "b.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    [visit] = visits(str(tmp_path))
    assert [entry.path for entry in visit.entries] == [b".gitignore", b"b.py", b"src/a.py"]


@pytest.mark.parametrize("written", ["{}", "folder:{}"])
def test_a_folder_has_two_spellings(tmp_path, written):
    (tmp_path / "a.py").write_text("")
    [visit] = visits(written.format(tmp_path))
    assert visit.repo_url == tmp_path.resolve().as_uri()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("pyenvv:", "pyenv:"),
        ("sftp:host", "no source sftp:"),
        ("pystdlib:x", "alone"),
        ("pyenv:/no/such", "not a Python"),
    ],
)
def test_a_source_that_is_not_there_says_what_is(source, said):
    with pytest.raises(codelake.SourceError, match=said):
        list(visits(source))


def test_nothing_of_the_environment_is_run(environment, tmp_path):
    environment(
        "trap", files={"trap/__init__.py": f"open({str(tmp_path / 'ran')!r}, 'w')\n", "trap.pth": "import trap\n"}
    )
    list(visits(f"pyenv:{environment.root}"))
    assert not (tmp_path / "ran").exists()
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(environment.site)!r}); import trap"], check=True
    )
    assert (tmp_path / "ran").exists()
