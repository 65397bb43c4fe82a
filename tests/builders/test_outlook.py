from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from robbench_builders.errors import BuildError
from robbench_builders.log import FAILED, NOTICE, UNIT, Event, Log, events
from robbench_builders.outlook import Outlook
from tests.builders.disk import disk_of


def told(outlook: Outlook, *happened: tuple[float, str, str, int, int]) -> Outlook:
    for time, unit, what, done, of in happened:
        outlook.tell(Event(time, "here/1", unit, what, done, of))
    return outlook


def test_before_a_unit_is_done_only_its_training_has_a_time_left() -> None:
    outlook = told(Outlook(4, 0), (100, "a", "proxies", 0, 1), (110, "a", "proxies", 1, 1), (110, "a", "training", 0, 10))
    assert (outlook.left(), outlook.units_done, outlook.text()) == (None, 0, "training 0/10")
    told(outlook, (116, "a", "training", 3, 10))
    assert outlook.text() == "training 3/10, 0:00:14 of training left"


def test_parts_that_were_seen_say_how_long_the_rest_takes() -> None:
    first = [(100, "training", 0, 10), (160, "training", 10, 10), (160, "pgd", 0, 1), (200, "pgd", 1, 1), (200, UNIT, 1, 1)]
    outlook = told(Outlook(4, 0), *((time, "a", what, done, of) for time, what, done, of in first))
    assert (outlook.units_done, outlook.left()) == (1, 300)
    told(outlook, (200, "b", "training", 0, 10), (230, "b", "training", 5, 10))
    assert outlook.units_done == pytest.approx(1.3)
    assert outlook.left() == pytest.approx(270)
    assert outlook.text() == "training 5/10, 0:04:30 left"
    told(outlook, (260, "b", "training", 10, 10), (260, "b", "pgd", 0, 1))
    assert outlook.text() == "pgd, 0:04:00 left"


def test_workers_share_the_rest_and_what_was_done_before_counts() -> None:
    outlook = Outlook(10, 4, {"training": 60.0, "pgd": 40.0})
    assert outlook.left() == 600
    told(outlook, (0, "a", "training", 0, 2), (0, "b", "training", 0, 2))
    assert outlook.left() == 300
    told(outlook, (1, "a", FAILED, 1, 1), (1, "a", NOTICE, 1, 1))
    assert outlook.units_done == 4


def test_a_log_is_appended_to_and_heard_by_all(tmp_path: Path) -> None:
    one, other = Log(tmp_path), Log(tmp_path)
    assert one.news() == []
    one.step("a", "training", 0, 200)
    for epoch in range(1, 201):
        one.step("a", "training", epoch, 200)
    other.write("b", FAILED, text="why\nso")
    assert [(event.unit, event.what, event.done) for event in other.news()] == [
        ("a", "training", 0),
        ("a", "training", 200),
        ("b", FAILED, 1),
    ]
    assert other.news() == []
    with (tmp_path / "log.jsonl").open("ab") as file:  # as a kill or a full disk leaves it
        file.write(b'{"time": 12')
    assert len(one.news()) == 3
    assert Log(tmp_path).news() == []
    assert [event.text for event in events(tmp_path)] == ["", "", "why\nso"]
    assert {event.process.split("/")[-1] for event in events(tmp_path)} == {str(os.getpid())}


def test_a_full_disk_is_our_error_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write("a", UNIT)
    size = log.path.stat().st_size
    for room in (size, size + 10):
        with disk_of(room), pytest.raises(BuildError, match=r"log\.jsonl could not be written.*make room and run again"):
            log.write("b", UNIT)
    log.write("c", UNIT)
    log.write("d", UNIT)
    assert [event.unit for event in events(tmp_path)][-1] == "d"
