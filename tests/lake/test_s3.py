"""A lake in object storage: a real S3 server on the loopback interface."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

import codelake


@pytest.fixture
def bucket(tmp_path, monkeypatch) -> Iterator[str]:
    """The URL of a bucket on an S3 server of its own."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="lakes")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield "s3://lakes/mine"
    server.stop()


def test_a_lake_in_s3_does_what_a_local_one_does(bucket, checkout, tmp_path):
    catalog = f"sqlite:///{tmp_path / 'catalog.db'}"
    with codelake.open(bucket, catalog=catalog) as lake:
        assert lake.ingest(checkout)["new_blobs"] == 7
        assert lake.ingest(checkout)["new_blobs"] == 0
        assert lake.curate()["kept_files"] == 3
        lake.release("1.0.0")
        (checkout / "more.py").write_text("more = 1\n")
        lake.ingest(checkout)
        lake.curate()
        assert lake.sql("SELECT count(*) FROM code").fetchall() == [(4,)]
        assert lake.at("1.0.0").sql("SELECT count(*) FROM code").fetchall() == [(3,)]
        assert [r.version for r in lake.releases()] == ["1.0.0"]
        from codelake.lake.doctor import orphans

        assert orphans(lake.catalog, lake.place) == []
    code = f"""
import codelake
with codelake.open({bucket!r}, catalog={catalog!r}, create=False) as lake:
    print(lake.sql("SELECT count(*) FROM files").fetchall())
"""
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )
    assert seen.stdout.strip() == "[(25,)]"


def test_a_lake_in_s3_keeps_models_on_a_local_disk(bucket, tmp_path):
    with (
        codelake.open(bucket, catalog=f"sqlite:///{tmp_path / 'c.db'}") as lake,
        pytest.raises(codelake.LakeError, match="local disk"),
    ):
        lake.train_tokenizer("SELECT content FROM code")
