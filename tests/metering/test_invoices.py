"""A vendor's invoice, read line by line and held against the ledger."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.metering.invoice_reading import formats, read
from mintmark.metering.invoices import Matching, match
from mintmark.metering.ledger import Line

HEADER = "request_id,at,model,amount,currency"
NOON = datetime(2026, 11, 3, 12, tzinfo=timezone.utc)


def csv(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def row(request_id: str = "r1", amount: str = "0.003", currency: str = "USD", at: str = "2026-11-03T12:00:00Z") -> str:
    return f"{request_id},{at},flux,{amount},{currency}"


def problems(data: bytes, provider: str = "generic", **how: Any) -> list[tuple[int, str]]:
    return [(each.line, each.message) for each in read(data, provider, **how).problems]


def amounts(data: bytes, provider: str = "generic", **how: Any) -> dict[str, Decimal]:
    invoice = read(data, provider, **how)
    assert invoice.problems == ()
    return {item.request_id: item.microusd for item in invoice.items}


def call(request_id: str | None = "r1", microusd: int = 3_000, kind: Any = "settled", **facts: Any) -> Line:
    known = {"call_id": f"call-{request_id}", "job_id": "job", "provider": "fal", "model": "fal/flux-schnell"}
    account = {"project": "p", "user": "u", "workflow": None}
    return Line(
        **{**known, **account, "request_id": request_id, "microusd": microusd, "kind": kind, "at": NOON, **facts}
    )


def matched(data: bytes, *calls: Line) -> Matching:
    return match(read(data, "generic"), calls)


# -- reading ------------------------------------------------------------------------------------------------------


def test_a_line_is_read_with_its_number() -> None:
    (item,) = read(csv(row()), "generic").items
    assert (item.line, item.request_id, item.at, item.model, item.microusd) == (2, "r1", NOON, "flux", Decimal(3_000))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_is_found(delimiter: str) -> None:
    assert amounts(csv(row()).replace(b",", delimiter.encode())) == {"r1": Decimal(3_000)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_an_encoding_that_marks_itself_is_read(encoding: str) -> None:
    assert amounts(csv(row("ä1")).decode().encode(encoding)) == {"ä1": Decimal(3_000)}


def test_another_encoding_is_told_by_line_and_read_once_it_is_named() -> None:
    data = csv(row("r1"), row("r2").replace("flux", "flüx"), row("r3")).decode().encode("latin-1")
    ((line, why),) = problems(data)
    assert line == 3 and "--encoding" in why
    assert [item.request_id for item in read(data, "generic").items] == ["r1", "r3"]
    assert list(amounts(data, encoding="latin-1")) == ["r1", "r2", "r3"]


def test_utf_16_without_its_mark_is_recognized() -> None:
    data = csv(row()).decode().encode("utf-16-le")
    with pytest.raises(InvalidInput, match="UTF-16 without its mark"):
        read(data, "generic")
    assert amounts(data, encoding="utf-16-le") == {"r1": Decimal(3_000)}


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("nonsense", "is none"), ("ascii", "Line 3 of the invoice"), ("undefined", "is not undefined")],
)
def test_a_wrong_encoding_is_refused(encoding: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read(csv(row(), row("ä")), "generic", encoding=encoding)


def test_a_quoted_newline_belongs_to_its_line_and_the_next_keeps_its_number() -> None:
    data = csv('r1,2026-11-03,"flux\nschnell",0.003,USD', row("r2", amount="much"))
    assert [item.model for item in read(data, "generic").items] == ["flux\nschnell"]
    assert problems(data) == [(4, "'much' is no amount")]


def test_what_cannot_be_decoded_inside_a_quoted_newline_takes_its_line_along() -> None:
    data = csv('r1,2026-11-03,"flux\n?",0.003,USD').replace(b"?", b"\xff")
    assert read(data, "generic").items == ()
    assert [line for line, _ in problems(data)] == [3]


def test_windows_line_ends_and_empty_lines_do_no_harm() -> None:
    data = csv(row("r1"), "", ",,,,", row("r2", amount="x")).replace(b"\n", b"\r\n")
    assert problems(data) == [(5, "'x' is no amount")]


def test_the_same_line_twice_is_told() -> None:
    data = csv(row("r1"), row("r2"), row("r1"))
    assert problems(data) == [(4, "it repeats line 2")]
    assert [item.line for item in read(data, "generic").items] == [2, 3]


def test_a_second_charge_of_a_request_is_told() -> None:
    assert problems(csv(row("r1"), row("r1", amount="0.004"))) == [(3, "request r1 was charged on line 2 already")]


def test_a_credit_is_taken_off_its_request_and_told() -> None:
    invoice = read(csv(row("r1", amount="0.03"), row("r1", amount="-0.01"), row("r2", amount="(0.02)")), "generic")
    assert invoice.problems == ()
    assert [(note.line, note.message) for note in invoice.notes] == [
        (3, "a credit of $0.01 for request r1"),
        (4, "a credit of $0.02 for request r2"),
    ]
    assert invoice.total_microusd == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (row(currency="EUR"), "it is in EUR, not in USD; nothing is converted here"),
        (row(currency=""), "it is in no currency, not in USD; nothing is converted here"),
        (row(request_id=" "), "it names no request"),
        (row(at="yesterday"), "'yesterday' is no time (ISO 8601)"),
        (row(amount=""), "'' is no amount"),
        (row(amount="NaN"), "'NaN' is no amount"),
        (row(amount="1e99"), "'1e99' is too much"),
        ("r1,2026-11-03", "it has 2 columns, and the first line has 5"),
        (row() + ",more", "it has 6 columns, and the first line has 5"),
        ('r1,2026-11-03,"flux"x,0.003,USD', "it is no CSV: ',' expected after '\"'"),
        (row(amount='"1,234"'), "'1,234' may be a thousand or a fraction"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_and_the_others_are_read(line: str, told: str) -> None:
    data = csv(line, row("r9"))
    assert problems(data) == [(2, told)]
    assert [item.request_id for item in read(data, "generic").items] == ["r9"]


def test_a_quote_that_never_ends_is_told_where_it_began() -> None:
    assert problems(csv(row("r1"), 'r2,2026-11-03,"flux,0.003,USD', row("r3"))) == [
        (3, "it is no CSV: unexpected end of data")
    ]


@pytest.mark.parametrize(
    ("text", "microusd"),
    [
        ("0.003", "3000"),
        ("$0.003", "3000"),
        ("3E-05", "30"),
        (".5", "500000"),
        ('"1,234.50"', "1234500000"),
        ('"1.234,50"', "1234500000"),
        ('"0,003"', "3000"),
        ("\u22120.5", "-500000"),
        ("0.0000004", "0.4"),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, microusd: str) -> None:
    assert amounts(csv(row(amount=text))) == {"r1": Decimal(microusd)}


def test_a_comma_is_a_fraction_where_the_columns_are_divided_by_semicolons() -> None:
    assert amounts(csv("r1;2026-11-03;flux;1,234;USD", header=HEADER.replace(",", ";"))) == {"r1": Decimal(1_234_000)}


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-03T12:00:00Z", 12),
        ("2026-11-03 12:00:00.1234567 UTC", 12),
        ("2026-11-03T12:00:00+02:00", 10),
        ("2026-11-03T12:00", 12),
        ("2026-11-03", 0),
        ("1793707200", 12),
    ],
)
def test_times_are_read_and_without_a_zone_they_are_utc(text: str, hour: int) -> None:
    (item,) = read(csv(row(at=text)), "generic").items
    assert (item.at.date().isoformat(), item.at.hour) == ("2026-11-03", hour)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("id,when", "no column for request_id .request_id., at .at., currency .currency., amount .amount."),
        ("request_id,at,model,amount", "no column for currency"),
        ("request_id,at,model,amount,amount,currency", "two columns called amount"),
    ],
)
def test_a_file_without_its_columns_is_refused_by_name(header: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read(csv(row(), header=header), "generic")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="is empty"):
        read(data, "generic")


def test_fals_billing_events_are_read() -> None:
    header = "request_id,timestamp,endpoint_id,output_units,unit_price,cost_estimate_nano_usd"
    data = csv("r1,2026-11-03T12:00:00Z,fal-ai/flux/schnell,1,0.003,3000000", header=header)
    assert amounts(data, "fal") == {"r1": Decimal(3_000)}
    with_total = csv(
        "r1,2026-11-03T12:00:00Z,fal-ai/flux/schnell,0.0025,3000000",
        header=header.replace("output_units,unit_price", "cost_total"),
    )
    assert amounts(with_total, "fal") == {"r1": Decimal(2_500)}


def test_bfls_credits_are_cents() -> None:
    assert amounts(csv("r1,2026-11-03,4.5", header="id,created_at,cost"), "bfl") == {"r1": Decimal(45_000)}


@pytest.mark.parametrize("provider", [*formats(), "ideogram"])
def test_every_provider_may_send_the_generic_form(provider: str) -> None:
    assert amounts(csv(row()), provider) == {"r1": Decimal(3_000)}


@given(st.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    try:
        invoice = read(HEADER.encode() + b"\n" + data, "generic")
    except InvalidInput:
        return
    lines = [each.line for each in (*invoice.items, *invoice.problems)]
    assert all(line >= 1 for line in lines)


# -- matching -----------------------------------------------------------------------------------------------------


def test_every_request_and_every_call_is_told_of_once() -> None:
    found = matched(
        csv(row("same"), row("more", "0.004"), row("doubt"), row("theirs"), row("free")),
        call("same"),
        call("more"),
        call("doubt", 9_000, "unknown"),
        call("free", 0, "released"),
        call("ours"),
        call(None, 5_000, "unknown"),
    )
    assert [pair.call.request_id for pair in found.matched] == ["same"]
    assert [(pair.call.request_id, pair.difference_microusd) for pair in found.differing] == [
        ("more", 1_000),
        ("free", 3_000),
    ]
    assert [(pair.call.request_id, pair.billed.microusd) for pair in found.decided] == [("doubt", 3_000)]
    assert [(each.request_id, each.lines) for each in found.missing] == [("theirs", (5,))]
    assert [each.request_id for each in found.not_billed] == ["ours", None]


def test_credits_are_taken_off_before_it_is_compared() -> None:
    found = matched(csv(row("r1", "0.03"), row("r1", "-0.027"), row("r2", "-0.5")), call("r1"))
    assert [pair.billed.lines for pair in found.matched] == [(2, 3)]
    assert [(each.request_id, each.microusd) for each in found.credits] == [("r2", -500_000)]
    assert found.corrections == ()


def test_a_full_refund_brings_the_charge_to_nothing() -> None:
    (pair,) = matched(csv(row("r1"), row("r1", "-0.003", at="2026-11-04")), call("r1")).differing
    assert (pair.billed.microusd, pair.difference_microusd) == (0, -3_000)


def test_a_cached_result_is_not_what_was_billed() -> None:
    paid, cached = call("r1"), call("r1", 0, cached=True, call_id="cached")
    old = call("r1", 0, call_id="cached before ledgers said so")
    for order in ([paid, cached, old], [old, cached, paid]):
        found = matched(csv(row("r1")), *order)
        assert [pair.call.call_id for pair in found.matched] == ["call-r1"]
        assert found.not_billed == ()


def test_calls_before_and_after_the_invoice_are_not_missed() -> None:
    late = call("late", at=datetime(2026, 11, 4, tzinfo=timezone.utc))
    early = call("early", at=datetime(2026, 11, 2, 23, 59, tzinfo=timezone.utc))
    assert matched(csv(row("r1")), call("r1"), late, early).not_billed == ()


def test_parts_of_a_micro_dollar_are_added_up_before_they_are_rounded() -> None:
    data = csv(row("r1", "0.0000004"), row("r1", "-0.0000001"), row("r1", "-0.0000002", at="2026-11-04"))
    assert matched(data, call("r1", 0)).matched[0].billed.microusd == 0


@pytest.mark.parametrize("at", ["9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_a_day_at_the_end_of_the_calendar_is_no_day_of_an_invoice(at: str) -> None:
    ((line, why),) = [(each.line, each.message) for each in read(csv(row(at=at)), "generic").problems]
    assert line == 2 and "is no time" in why
