from __future__ import annotations

import pytest

from mintmark.workflows.semver import Range, Version

# semver.org 2.0.0, section 11, and its number-before-word rule.
ASCENDING = [
    "0.9.9",
    "1.0.0-0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
]


def test_versions_sort_by_precedence() -> None:
    assert [str(each) for each in sorted(map(Version.parse, reversed(ASCENDING)))] == ASCENDING


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+build", "v1.0.0", "1.0.0\n", "１.0.0"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        Version.parse(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("", "0.0.1 1.0.0 9.0.0", "1.0.0-rc.1"),
        ("*", "0.0.1 9.0.0", "9.0.0-a"),
        ("1", "1.0.0 1.99.0", "0.9.0 2.0.0 1.5.0-rc.1 2.0.0-rc.1"),
        ("1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"),
        ("0", "0.0.0 0.9.0", "1.0.0"),
        ("1.2.3", "1.2.3", "1.2.2 1.2.4 1.2.3-rc.1"),
        ("=1.2.3", "1.2.3", "1.2.4"),
        ("1.2.3-rc.1", "1.2.3-rc.1", "1.2.3-rc.1.0 1.2.3-rc.2 1.2.3"),
        ("^1", "1.0.0 1.9.0", "0.9.0 2.0.0"),
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-rc.1"),
        ("^1.2.3-rc.1", "1.2.3-rc.1 1.2.3-rc.2 1.2.3 1.3.0", "1.2.3-beta 1.3.0-rc.1"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "0.0.0 0.9.0", "1.0.0"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        (">=1.2", "1.2.0 7.0.0", "1.1.9 7.0.0-rc.1"),
        (">=1.2 <2", "1.2.0 1.9.9", "2.0.0 2.0.0-0 1.1.0"),
        (">=1.0.0-0 <2.0.0-rc.2", "1.0.0-0 1.0.0-rc.1 2.0.0-rc.1", "2.0.0-rc.2 2.0.0"),
    ],
)
def test_a_range_admits_what_it_means(text: str, inside: str, outside: str) -> None:
    admits = Range.parse(text).admits
    assert [each for each in inside.split() if not admits(Version.parse(each))] == []
    assert [each for each in outside.split() if admits(Version.parse(each))] == []


@pytest.mark.parametrize("text", ["latest", "1.x", ">1.0.0", "^", "1.0.0 || 2.0.0", "1.0.0.0", "../1", "1.0.0+b"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version range"):
        Range.parse(text)
