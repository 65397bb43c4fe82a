"""Published files over HTTP: what comes is checked, what was cut goes on, and what is not what was expected is kept aside and named."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("requests", reason="comes with pooch: pip install 'robbench[fetch]'")

from robbench.errors import CannotFetch, InvalidArgument, MissingLibrary, SourceError
from robbench.sources import SOURCES, downloading
from robbench.sources.archives import unpack
from robbench.sources.fetching import Failed, Fetched, cache_folder, chosen, fetch, fetch_each
from robbench.sources.published import PUBLISHED, Drive, File, Published, Share
from tests.sources.serving import Answer, Serving, serving
from tests.sources.test_nares import archive

BODY = b"net,zen\n" + b'"(4, 0, 3, 1, 4, 3)",0.5\n' * 400
SHA = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
BY_HAND = "https://example.org/by-hand"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(downloading, "BLOCK", 500)
    with serving() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def publish(monkeypatch: pytest.MonkeyPatch, *files: File, name: str = "mine") -> None:
    monkeypatch.setitem(PUBLISHED, name, Published("made up", "none", "Doe, 2026", name, files))


def table(address: str | Drive | Share | None, checksum: str = "", size: int | None = None, name: str = "zc.csv") -> File:
    return File(name, address, BY_HAND, "", checksum, size)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "mine").iterdir())


def one(cache: Path) -> Fetched | Failed:
    [found] = fetch_each(["mine"], cache=cache)
    return found


def why(cache: Path) -> str:
    found = one(cache)
    assert isinstance(found, Failed), found
    return found.why


# What comes


@pytest.mark.parametrize("checksum", [f"sha256:{SHA}", f"md5:{MD5}", ""])
def test_a_file_comes_once(checksum: str, server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv", checksum, len(BODY)))
    path = cache / "mine" / "zc.csv"
    assert fetch(["mine"], cache=cache) == [Fetched("mine/zc.csv", path, True, SHA, bool(checksum))]
    assert path.read_bytes() == BODY
    assert json.loads((cache / "mine" / "seen.json").read_text()) == {"zc.csv": {"sha256": SHA, "size": len(BODY)}}
    assert fetch(["mine"], cache=cache) == [Fetched("mine/zc.csv", path, False, SHA, bool(checksum))]
    assert len(server.asked) == 1
    assert names(cache) == ["seen.json", "zc.csv"]


def test_what_was_cut_goes_on(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY, headers={"ETag": '"1"'}, cut=[1000, 2000])
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert isinstance(one(cache), Fetched)
    assert (cache / "mine" / "zc.csv").read_bytes() == BODY
    assert server.ranges() == [None, "bytes=1000-", "bytes=3000-"]
    assert names(cache) == ["seen.json", "zc.csv"]


def test_half_a_file_is_no_file_and_the_next_call_goes_on(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = server.answers["/zc.csv"] = Answer(BODY, headers={"ETag": '"1"'}, cut=[3000, 0])
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    said = why(cache)
    assert said.startswith(f"mine/zc.csv did not come: the connection was cut, after 3,000 of {len(BODY):,} bytes. By hand: open {BY_HAND}")
    assert f"put it at {cache}/mine/zc.csv; then run the same command again" in said
    assert names(cache) == ["zc.csv.part", "zc.csv.part.version"]
    answer.cut = []
    assert isinstance(one(cache), Fetched)
    assert server.ranges()[-1] == "bytes=3000-"
    assert (cache / "mine" / "zc.csv").read_bytes() == BODY


def test_a_part_of_another_version_is_not_gone_on_with(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(b"x" * len(BODY), headers={"ETag": '"1"'}, cut=[3000, 0])
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert isinstance(one(cache), Failed)
    server.answers["/zc.csv"] = Answer(BODY, headers={"ETag": '"2"'})
    assert isinstance(one(cache), Fetched)
    assert (cache / "mine" / "zc.csv").read_bytes() == BODY


@pytest.mark.parametrize("ranges", [True, False])
def test_without_a_version_a_part_is_gone_on_with_where_a_checksum_will_tell(
    ranges: bool, server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a server that knows no parts sends all of it again."""
    server.answers["/zc.csv"] = Answer(BODY, cut=[3000], ranges=ranges)
    publish(monkeypatch, table(f"{server.url}/zc.csv", f"md5:{MD5}"))
    assert isinstance(one(cache), Fetched)
    assert server.ranges() == [None, "bytes=3000-"]
    server.answers["/zc.csv"] = Answer(BODY, cut=[3000])
    publish(monkeypatch, table(f"{server.url}/zc.csv", name="other.csv"))
    assert isinstance(one(cache), Fetched)
    assert server.ranges()[2:] == [None, None]


def test_a_large_file_of_drive_is_behind_a_form(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = '<!DOCTYPE html><title>Drive</title><form id="download-form" action="/get"><input name="id" value="a b"><input name="confirm" value="t">'
    server.answers["/uc?export=download&id=abc"] = Answer(page.encode())
    server.answers["/get?id=a+b&confirm=t"] = Answer(BODY)
    monkeypatch.setattr(downloading, "DRIVE", server.url)
    publish(monkeypatch, table(Drive("abc")))
    assert isinstance(one(cache), Fetched)
    server.answers["/uc?export=download&id=small"] = Answer(BODY)
    publish(monkeypatch, table(Drive("small"), name="small.csv"))
    assert isinstance(one(cache), Fetched)
    server.answers["/uc?export=download&id=gone"] = Answer(b"<html><title>Quota exceeded</title>")
    publish(monkeypatch, table(Drive("gone"), name="gone.csv"))
    assert "a web page came in its place ('Quota exceeded', from http://127.0.0.1" in why(cache)


def test_a_share_gives_its_files_by_name(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/"] = Answer(status=302, headers={"Location": "/s/abc"})
    server.answers["/s/abc"] = Answer(b"<html>a share</html>")
    server.answers["/s/abc/download?path=%2F&files=zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(Share(f"{server.url}/", "abc", "zc.csv")))
    assert isinstance(one(cache), Fetched)
    server.answers["/"] = Answer(b"<html>moved</html>")
    publish(monkeypatch, table(Share(f"{server.url}/", "abc", "zc.csv"), name="other.csv"))
    assert f"leads to {server.url}, and not to the share abc" in why(cache)


def test_archives_are_unpacked_to_where_importers_look(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = cache.parent / "made.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("robustness/cifar10/clean_accuracy.json", "{}")
        made.writestr("../../../cifar100/fgsm@Linf_accuracy.json", "{}")
        made.writestr("/etc/meta.json", '{"ids": {}}')
        made.writestr("pixelate_accuracy.json", "{}")
        made.writestr("../readme.txt", "no")
    server.answers["/a"] = Answer(archive.read_bytes())
    publish(monkeypatch, table(f"{server.url}/a", name="ImageNet16-120-accuracies.zip"))
    assert isinstance(one(cache), Fetched)
    files = {str(path.relative_to(cache / "mine")) for path in cache.rglob("*.json")}
    expected = {"meta.json", "cifar10/clean_accuracy.json", "cifar100/fgsm@Linf_accuracy.json", "ImageNet16-120/pixelate_accuracy.json"}
    assert files == {*expected, "seen.json"}
    assert not list(cache.parent.rglob("readme.txt"))
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"made\.zip is not a whole zip archive: .*Download it again"):
        unpack(archive, cache)
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("readme.txt", "no")
    with pytest.raises(SourceError, match=r"made\.zip holds neither meta\.json nor"):
        unpack(archive, cache)


def test_the_archive_of_nares_is_unpacked_beside_itself(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/a"] = Answer(archive(cache.parent, b"{}\n").read_bytes())
    publish(monkeypatch, table(f"{server.url}/a", name="nares.txz"))
    assert isinstance(one(cache), Fetched)
    assert names(cache) == ["cifar10.jsonl", "nares.txz", "seen.json"]
    assert (cache / "mine" / "cifar10.jsonl").read_bytes() == b"{}\n"
    server.answers["/a"] = Answer(b"no archive")
    publish(monkeypatch, table(f"{server.url}/a", name="other.txz"))
    assert "it begins with b'no archive', as no txz file does" in why(cache)


# What does not come


def test_a_checksum_that_differs_is_shown_with_the_known_one_and_the_file_kept_aside(
    server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = BODY.replace(b"0.5", b"0.6", 1)
    server.answers["/zc.csv"] = Answer(wrong)
    publish(monkeypatch, table(f"{server.url}/zc.csv", f"md5:{MD5}"))
    said = why(cache)
    assert f"its md5 is {hashlib.md5(wrong).hexdigest()}; expected {MD5}, the one known." in said
    assert f"It is kept as {cache}/mine/zc.csv.unexpected, and is not imported. By hand: open {BY_HAND}" in said
    assert names(cache) == ["zc.csv.unexpected"]
    assert (cache / "mine" / "zc.csv.unexpected").read_bytes() == wrong


def test_what_came_first_is_recorded_and_later_ones_are_compared_with_it(
    server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert isinstance(one(cache), Fetched)
    path = cache / "mine" / "zc.csv"
    path.write_bytes(BODY[:-25])
    assert one(cache) == Fetched("mine/zc.csv", path, True, SHA, False), "damaged here, so it comes again"
    assert (cache / "mine" / "zc.csv.unexpected").read_bytes() == BODY[:-25]
    path.unlink()
    answer.body = BODY + BODY[8:]
    said = why(cache)
    assert f"its sha256 is {hashlib.sha256(answer.body).hexdigest()}; expected {SHA}, the one recorded when it first came" in said
    assert f"take it out of {cache}/mine/seen.json if the authors have a newer one" in said
    assert not path.exists()


@pytest.mark.parametrize("checksum", [f"md5:{MD5}", ""])
def test_a_login_page_is_no_file(checksum: str, server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(status=302, headers={"Location": "/login?next=%2Fzc.csv"})
    server.answers["/login?next=%2Fzc.csv"] = Answer(b"\n<!DOCTYPE HTML><html><head><title>Sign in &amp; go on</title></head></html>")
    publish(monkeypatch, table(f"{server.url}/zc.csv", checksum))
    assert f"a web page came in its place ('Sign in & go on', from {server.url}/login)" in why(cache)
    assert names(cache) == []


@pytest.mark.parametrize(("status", "said"), [(404, "404 Not Found"), (500, "500 Internal Server Error"), (403, "403 Forbidden")])
def test_a_server_that_refuses_is_quoted(status: int, said: str, server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(b"no", status)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert f"mine/zc.csv did not come: the server answered {said}. By hand" in why(cache)
    assert names(cache) == []


def test_a_server_that_says_nothing_is_not_waited_for(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY, waits=threading.Event())
    monkeypatch.setattr(downloading, "TIMEOUT", (5.0, 0.05))
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert "did not come: the server sent nothing for 0.05 seconds. By hand" in why(cache)


def test_without_a_network_it_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as gone:
        pass
    publish(monkeypatch, table(f"{gone.url}/zc.csv"))
    assert "did not come: the server cannot be reached (is there a network?). By hand" in why(cache)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.zip", b"not a zip", r"it begins with b'not a zip', as no zip file does"),
        ("a.json", b"cut short, and no JSON", r"it begins with b'cut short, and n', as no json file does"),
        ("a.json", b'{"cifar10": {"(4, 0', r"so it is cut short"),
        ("a.csv", b"net,zen\n1,2\n3,0.", r"so it is cut short"),
        ("a.csv", b"net,zen\n", r"it has 8 bytes; expected 10,000"),
    ],
)
def test_what_cannot_be_such_a_file_is_kept_aside(
    name: str, body: bytes, said: str, server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/a"] = Answer(body)
    publish(monkeypatch, table(f"{server.url}/a", size=10_000 if "expected" in said else None, name=name))
    assert said in why(cache)
    assert names(cache) == [f"{name}.unexpected"]


def test_what_only_a_person_can_get_is_taken_from_where_they_put_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, table(None))
    said = why(cache)
    assert said.startswith(
        f"mine/zc.csv is not at an address that a program can ask. By hand: open {BY_HAND}, download zc.csv, and put it at {cache}"
    )
    path = cache / "mine" / "zc.csv"
    path.write_bytes(b"<html><title>Sign in</title></html>")
    assert "it is a web page ('Sign in')" in why(cache)
    path.write_bytes(BODY)
    assert one(cache) == Fetched("mine/zc.csv", path, False, SHA, False)
    path.write_bytes(BODY + BODY[8:])
    assert f"expected {SHA}, the one recorded" in why(cache)


def test_a_full_disk_is_named_and_nothing_is_left_under_the_name(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    (cache / "mine").mkdir(parents=True)
    (cache / "mine" / "zc.csv.part").symlink_to("/dev/full")
    assert f"mine/zc.csv cannot be kept in {cache}/mine: No space left on device. Make room there, or name another folder: --cache" in why(
        cache
    )
    assert "zc.csv" not in names(cache)


def test_a_cache_that_cannot_be_written_is_named(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the place of the folder stands for permissions, which root has whatever they are."""
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    cache.write_text("in the way")
    assert f"mine/zc.csv cannot be kept in {cache}/mine: Not a directory" in why(cache)


def test_a_cache_that_has_everything_is_only_read(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    assert isinstance(one(cache), Fetched)
    before = {path: path.stat().st_mtime_ns for path in [cache / "mine", *(cache / "mine").iterdir()]}
    assert isinstance(one(cache), Fetched)
    assert {path: path.stat().st_mtime_ns for path in [cache / "mine", *(cache / "mine").iterdir()]} == before


def test_one_that_fails_does_not_keep_the_others_away(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/absent", name="absent.csv"), table(f"{server.url}/zc.csv"))
    with pytest.raises(CannotFetch, match=r"mine/absent\.csv did not come: the server answered 404 Not Found"):
        fetch(["mine"], cache=cache)
    assert names(cache) == ["seen.json", "zc.csv"]


def test_a_damaged_record_is_named(server: Serving, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/zc.csv"] = Answer(BODY)
    publish(monkeypatch, table(f"{server.url}/zc.csv"))
    (cache / "mine").mkdir(parents=True)
    for text in ("{", "[]", '{"zc.csv": {"sha256": 3}}', '{"zc.csv": null}'):
        (cache / "mine" / "seen.json").write_text(text)
        assert "seen.json is damaged" in why(cache)


def test_names_and_libraries_that_are_missing_are_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match=r"'jung' is nothing to fetch\. Did you mean 'jung2023'"):
        fetch(["jung"], cache=cache)
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'robbench\[fetch\]'"):
        fetch(["natsbench"], cache=cache)
    assert not cache.exists()


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBBENCH_CACHE", raising=False)
    fake = types.ModuleType("pooch")
    fake.os_cache = lambda name: tmp_path / name  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pooch", fake)
    assert cache_folder() == tmp_path / "robbench"
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingLibrary, match="fetching needs pooch"):
        cache_folder()
    monkeypatch.setenv("ROBBENCH_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


# What is published


def test_all_is_every_source_of_measurements_once() -> None:
    assert set(chosen(["all"])) == set(SOURCES)
    assert list(chosen(["cifar10", "natsbench", "cifar10"])) == ["cifar10", "natsbench"]


def test_every_checksum_is_one_and_every_file_has_a_page() -> None:
    lengths = {"md5": 32, "sha256": 64}
    for published in PUBLISHED.values():
        assert published.citation
        assert published.licence
        for file in published.files:
            algorithm, _, digest = file.checksum.partition(":")
            assert not file.checksum or (len(digest) == lengths[algorithm] and int(digest, 16))
            assert file.by_hand.startswith("http")


def test_known_checksums_and_sizes_are_those_of_the_reference(reference: Path) -> None:
    known = {file.name: file for published in PUBLISHED.values() for file in published.files if file.checksum}
    compared = 0
    for path in reference.rglob("*"):
        if path.name in known:
            file, compared = known[path.name], compared + 1
            algorithm, _, digest = file.checksum.partition(":")
            assert hashlib.new(algorithm, path.read_bytes()).hexdigest() == digest
            assert file.size == path.stat().st_size
    assert compared >= 8
