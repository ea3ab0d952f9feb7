"""Tests how the archives of a program become zips."""

import io
import zipfile
from pathlib import Path

import pytest

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.schema.archives import zipped
from tools.localcloud.schema.values import Props


def contents(zip_file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(zip_file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"a zip")
    assert zipped({"path": "a.zip"}, tmp_path) == zipped({"path": str(tmp_path / "a.zip")}, Path("/")) == b"a zip"


def test_folders_files_texts_and_archives_within_become_one_zip(tmp_path: Path) -> None:
    (tmp_path / "app" / "inner").mkdir(parents=True)
    (tmp_path / "app" / "inner" / "a.py").write_text("a")
    archive: Props = {
        "assets": {
            "lib": {"path": "app"},
            "b.txt": {"text": "b"},
            "c.py": {"path": "app/inner/a.py"},
            "deep": {"assets": {"d": {"text": "d"}}},
        }
    }
    assert contents(zipped(archive, tmp_path)) == {
        "lib/inner/a.py": b"a",
        "b.txt": b"b",
        "c.py": b"a",
        "deep/d": b"d",
    }


def test_the_zip_of_a_folder_does_not_depend_on_when_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")
    first = zipped({"path": "."}, tmp_path)
    (tmp_path / "a.py").touch()
    (tmp_path / "a.py").chmod(0o600)
    assert zipped({"path": "."}, tmp_path) == first


@pytest.mark.parametrize(
    ("archive", "sentence"),
    [
        ({"path": "none.zip"}, r"none\.zip cannot be read: No such file or directory"),
        ({"uri": "https://example.com/a.zip"}, "not of addresses"),
    ],
)
def test_an_archive_that_cannot_be_read_is_refused(archive: Props, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=sentence):
        zipped(archive, tmp_path)
