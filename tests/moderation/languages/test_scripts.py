"""Chinese, Japanese and Korean: each with its own boundaries, and the disguises of their scripts."""

from __future__ import annotations

import pytest

from mintmark.moderation.languages.scripts import AGE, by_character
from mintmark.moderation.rules import scan

HARMLESS = [
    *("女性交流会", "裸眼可见的星空", "毛血旺", "血橙", "西瓜爆炸头", "松鼠"),
    *("裸足で歩く子供", "カップヌードル", "ロリポップ", "低カロリー", "必死に走る", "絶滅危惧種"),
    *("아이스크림", "아이디어 회의", "17세기 정물화", "마약김밥", "독수리", "피아노를 치는 아이"),
]
FOUND = [
    ("裸体", "nudity"),
    ("裸體女人", "nudity"),
    ("全裸の女性", "nudity"),
    ("ﾎﾟﾙﾉ写真", "sexual"),
    ("나체의 여자", "nudity"),
    ("나체를 그린 사진", "nudity"),
    ("포 르 노", "sexual"),
    ("色\u200b情图片", "sexual"),
    ("裸.体.女.人", "nudity"),
    ("ㄴㅏㅊㅔ", "nudity"),
    ("\u202e体裸\u202c", "nudity"),
    ("12歳 全裸", "sexual/minors"),
    ("十二歳の全裸", "sexual/minors"),
    ("열두 살 나체", "sexual/minors"),
    ("12岁 裸体", "sexual/minors"),
]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_word_that_holds_a_listed_one_passes(text: str) -> None:
    assert scan(text).scores == {}


@pytest.mark.parametrize(("text", "category"), FOUND)
def test_a_listed_word_is_found_without_gaps_and_in_disguise(text: str, category: str) -> None:
    assert category in scan(text).scores


def test_a_text_without_these_scripts_has_no_such_reading() -> None:
    assert by_character("a red fox, Füchse, лиса") == ()


def test_korean_words_keep_where_they_begin() -> None:
    plain = by_character("빨간 여우")[0]
    assert (plain.text, sorted(plain.starts)) == ("빨간여우", [0, 2, 4])


def test_an_age_of_a_minor_is_one_character_and_a_century_is_none() -> None:
    assert AGE in by_character("12살")[0].text
    assert AGE not in by_character("17세기")[0].text
    assert AGE not in by_character("20歳")[0].text


def test_the_work_is_linear_also_for_stacked_marks() -> None:
    assert by_character("か" + "\u3099\u0301" * 8000)
