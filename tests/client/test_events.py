"""Server-sent events, line by line."""

from __future__ import annotations

from mintmark.client.events import Reader
from mintmark.client.values import Update


def read(text: str, reader: Reader | None = None) -> list[Update]:
    reader = reader or Reader()
    return [update for line in text.split("\n") if (update := reader.feed(line)) is not None]


def test_an_event_is_complete_at_the_empty_line() -> None:
    (update,) = read('id: 7\nevent: claimed\ndata: {"seq": 7}\n\n')
    assert (update.kind, update.seq, update.data) == ("claimed", 7, {"seq": 7})


def test_where_to_go_on_is_the_last_number_that_came() -> None:
    reader = Reader()
    read(
        'id: 3\nevent: queued\ndata: {}\n\nid: 9\nevent: claimed\ndata: {}\n\nevent: progress\ndata: {"a": 1}\n\n',
        reader,
    )
    assert reader.last_id == 9


def test_progress_has_no_number_and_moves_nothing() -> None:
    (update,) = read('event: progress\ndata: {"percentage": 50}\n\n')
    assert update.seq is None and not update.last


def test_a_comment_that_keeps_the_line_open_is_no_event() -> None:
    assert read(": still here\n\n") == []


def test_data_of_several_lines_is_joined() -> None:
    (update,) = read('data: {"a":\ndata: 1}\n\n')
    assert update.data == {"a": 1}


def test_an_event_that_the_line_cut_is_not_told() -> None:
    assert read('id: 7\nevent: succeeded\ndata: {"se') == []


def test_what_the_line_cut_is_not_mixed_into_what_comes_after_it() -> None:
    reader = Reader()
    read('id: 7\nevent: claimed\ndata: {"se', reader)
    reader.begin()
    (update,) = read('event: progress\ndata: {"a": 1}\n\n', reader)
    assert (update.kind, update.seq, update.data, reader.last_id) == ("progress", None, {"a": 1}, 0)


def test_data_that_is_no_json_is_text() -> None:
    (update,) = read("event: note\ndata: <html>\n\n")
    assert update.data == {"value": "<html>"}


def test_every_way_to_end_is_the_last_word() -> None:
    last = [Update(kind=kind).last for kind in ("succeeded", "failed", "canceled", "superseded", "deadline_passed")]
    assert all(last)
    assert not any(Update(kind=kind).last for kind in ("queued", "claimed", "requeued", "progress"))
