from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from robbench.store.atomic import replacing


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"new")
        assert not list(tmp_path.iterdir())
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("old", [None, b"old"])
def test_an_error_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(bytes([1 // len(file.read())]))
    assert (path.read_bytes() if path.exists() else None) == old
    assert len(list(tmp_path.iterdir())) == (old is not None)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    with replacing(path) as file:
        file.write(b"new")
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_leads_to_the_new_file(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to("file")
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
@pytest.mark.parametrize("unnamed", [True, False])
def test_a_new_file_has_the_permissions_that_the_umask_says(
    umask: int, mode: int, unnamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE")
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "file") as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("unnamed", [True, False])
def test_what_another_process_of_the_same_number_left_is_never_taken_for_the_file(
    unnamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers repeat the numbers of processes."""
    path = tmp_path / "file"
    left = [path.with_name(f".file.{number}") for number in (os.getpid(), "0" * 16)]
    for one in left:
        one.write_bytes(b"of another process")
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE")
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert not left[1].exists()


@pytest.mark.parametrize("unnamed", [True, False])
def test_two_that_write_one_file_at_once_do_not_meet(unnamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As threads, they are of one process, whatever tells files of processes apart."""
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE")
    path = tmp_path / "file"
    with replacing(path) as one:
        one.write(b"one")
        with replacing(path) as other:
            other.write(b"another")
        assert path.read_bytes() == b"another"
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    with replacing(Path("/dev/null")) as file:
        file.write(b"new")
    assert Path("/dev/null").is_char_device()


def test_who_has_the_old_file_open_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        with replacing(path) as file:
            file.write(b"new")
        assert reader.read() == b"old"


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "absent" / "file"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without a name")
def test_on_linux_the_file_has_no_name_until_it_is_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
        file.flush()
        assert list(tmp_path.iterdir()) == []
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_system_without_unnamed_files_gets_a_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_unnamed(*_: object, **__: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "open", no_unnamed)
    with pytest.raises(TypeError), replacing(tmp_path / "file") as file:
        file.write(7)  # type: ignore[call-overload]
    assert list(tmp_path.iterdir()) == []
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"new")]


def test_an_error_while_taking_the_name_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_replace(*_: object) -> None:
        raise PermissionError("not here")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", no_replace)
    with pytest.raises(PermissionError), replacing(path) as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_killed_process_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import pathlib, os, signal; from robbench.store.atomic import replacing\n"
        f"with replacing(pathlib.Path({str(path)!r})) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]
