"""The readings of a text: disguises come off, sentences stay whole, and the work stays linear."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.moderation.matching import Lexicon
from mintmark.moderation.normalize import MAX_CHARS, MAX_FORMS, MAX_PER_CHAR, forms, words
from mintmark.moderation.rules import scan

CAUGHT = {
    "plain": "badword",
    "capitals": "BADWORD",
    "fullwidth": "ｂａｄｗｏｒｄ",
    "mathematical bold": "𝐛𝐚𝐝𝐰𝐨𝐫𝐝",
    "circled": "ⓑⓐⓓⓦⓞⓡⓓ",
    "zero width": "b\u200ba\u200cd\u200dw\ufeffo\u2060rd",
    "soft hyphen": "bad\u00adword",
    "combining marks": "b\u0301a\u0300d\u0336w\u0338o\u0308r\u0327d",
    "tag characters": "ba\U000e0061d\U000e0062word",
    "Cyrillic": "bаdwоrd",
    "Greek": "bαdwοrd",
    "small capitals": "ʙᴀᴅᴡᴏʀᴅ",
    "leet": "b4dw0rd",
    "spaced": "b a d w o r d",
    "dotted": "b.a.d.w.o.r.d",
    "one letter a line": "b\na\nd\nw\no\nr\nd",
    "repeats": "baaadwooorddd",
    "drawn leet": "8@dw()rd",
}
ENCODED = {
    "base64": "YmFkd29yZA==",
    "rot13": codecs.encode("badword", "rot13"),
    "reversed": "drowdab",
    "right to left override": "\u202edrowdab\u202c",
}
FURTHER = {
    "underscores": "b_a_d_w_o_r_d",
    "hyphen inside": "bad-word",
    "stars inside": "b**dword b*a*d*w*o*r*d",
    "line break inside": "bad\nword",
    "hyphenated at a line's end": "bad-\r\nword",
    "spaced after an article": "draw a b a d w o r d now",
    "spaced, wider gaps between words": "y o u  b a d w o r d  y o u",
    "uneven separators": "b. a-d w.o r-d",
    "in a weight": "(b-a-d-w-o-r-d:1.3)",
    "beside a comma without space": "cat,bad_word,dog",
    "spaced leet": "b 4 d w 0 r d",
    "leet of a Cyrillic mixture": "bаdw0rd",
    "Hangul filler": "bad\u3164word",
    "squared": "🅱🅰🅳🆆🅾🆁🅳",
    "plural": "badwords",
}


@pytest.mark.parametrize("text", [*CAUGHT.values(), *FURTHER.values()], ids=[*CAUGHT, *FURTHER])
def test_a_disguised_word_is_found_wherever_it_stands(text: str, bad_words: Lexicon) -> None:
    assert scan(text, terms=bad_words).scores == {"bad": 0.9}
    assert scan(f"A red fox, {text}, at dusk.", terms=bad_words).scores == {"bad": 0.9}


def test_all_of_the_22_tried_disguises_come_off(bad_words: Lexicon) -> None:
    tried = [*CAUGHT.values(), *ENCODED.values()]
    assert len(tried) == 22
    assert [text for text in tried if not scan(text, terms=bad_words).scores] == []


@pytest.mark.parametrize("text", ENCODED.values(), ids=ENCODED)
def test_an_encoded_word_is_found_among_others(text: str, bad_words: Lexicon) -> None:
    assert scan(f"A red fox, {text}, at dusk.", terms=bad_words).scores == {"bad": 0.9}


def test_readings_of_encodings_are_for_those_who_ask() -> None:
    assert {form.kind for form in forms("a red fox")} == {"plain"}
    assert {form.kind for form in forms("a red fox", encoded=True)} == {"plain", "encoded"}


@pytest.mark.parametrize(
    "text",
    [
        "a bad word",
        "bad, word",
        "bad - word",
        "bad. Word of mouth",
        "bad\n\nword",
        "badwording",
        "notabadword",
        "a badword puzzle",
        "8 0 4 d 17",
        "bada b a d",
        "word bad",
    ],
)
def test_honest_words_stay_apart(text: str, bad_words: Lexicon) -> None:
    assert not scan(text, terms=bad_words).scores


def test_a_stretched_word_with_natural_double_letters_is_found(bad_words: Lexicon) -> None:
    assert scan("moooodyword", terms=bad_words).scores
    assert scan("mooodywwword", terms=bad_words).scores
    assert not scan("modyword", terms=bad_words).scores


def test_a_phrase_is_found_spaced_and_in_one_word_but_not_scattered(bad_words: Lexicon) -> None:
    assert scan("two rude, words", terms=bad_words).scores
    assert scan("TwoRudeWords", terms=bad_words).scores
    assert not scan("two very rude words", terms=bad_words).scores


def test_a_plain_prompt_has_one_reading() -> None:
    assert [form.text for form in forms("A red fox, at dusk; 85mm, 8k.")] == [" a red fox at dusk 85mm 8k "]


def test_plain_numbers_are_not_read_as_letters() -> None:
    assert [form.text for form in forms("455 cars, 1970s, 4th of 20")] == [" 455 cars 1970s 4th of 20 "]


def test_an_age_of_a_minor_is_read_as_one_word_beside_its_digits() -> None:
    assert [form.text for form in forms("12yo, 12 years, 8k")] == [" 12yo 12 years 8k ", " 0age yo 0age years 8k "]


def test_a_one_is_read_as_i_and_as_l() -> None:
    texts = {form.text for form in forms("h1de sk1ll he1p")}
    assert {" hide skill heip ", " hlde sklll help "} <= texts


def test_accents_fall_and_what_is_searched_by_character_is_a_gap() -> None:
    assert forms("Café Привет 猫 고양이")[0].text == " cafe privet "


def test_an_emoji_is_no_word_but_for_those_that_show_a_child() -> None:
    assert forms("🔞 door")[0].text == " door "
    assert forms("👧 on a swing")[0].text == " child on a swing "


def test_the_readings_of_a_text_are_distinct_and_spaced() -> None:
    found = forms("b4d w-o_r.d 1lI\nсоck aaa")
    assert len({form.tokens for form in found if form.kind == "plain"}) == len([f for f in found if f.kind == "plain"])
    assert all(form.text.startswith(" ") and form.text.endswith(" ") and "  " not in form.text for form in found)


def test_a_text_that_is_too_long_is_refused_before_any_work() -> None:
    assert forms("a" * MAX_CHARS)
    with pytest.raises(InvalidInput, match="32,001 characters"):
        forms("a" * (MAX_CHARS + 1))


def test_words_of_an_empty_text_are_no_words() -> None:
    assert words("").split() == []
    assert forms("")[0].text.split() == []


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_a_bounded_number_of_bounded_readings(text: str) -> None:
    found = forms(text, encoded=True, ages={"ten"})
    assert 1 <= len(found) <= MAX_FORMS
    assert all(len(form.text) <= 3 * MAX_PER_CHAR * len(text) + 2 for form in found)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab1l0y!|@ .-_\n,()аο\u0301\u200b\ud800👶ﷺ", max_size=200))
def test_texts_made_of_disguises_alone_are_bounded_too(text: str) -> None:
    found = forms(text, encoded=True, ages={"ten"})
    assert 1 <= len(found) <= MAX_FORMS
    assert all(form.text.strip() == " ".join(form.text.split()) for form in found)


HARD = {
    "letters": lambda n: "a" * n,
    "single letters": lambda n: "a." * (n // 2),
    "broken tokens": lambda n: "bc-" * (n // 3),
    "punctuation": lambda n: "." * n,
    "leet": lambda n: "a1 " * (n // 3),
    "look-alikes": lambda n: "а1.\n" * (n // 4),
    "stacked marks": lambda n: "\u0315\u0300" * (n // 2),
    "long ligatures": lambda n: "\ufdfa" * n,
    "emoji": lambda n: "👶" * n,
    "ages": lambda n: "(10)" * (n // 4),
    "letters for digits": lambda n: "l0 year " * (n // 8),
}


@pytest.mark.parametrize("make", HARD.values(), ids=HARD)
def test_twice_the_garbage_is_no_more_than_twice_the_work(make: Callable[[int], str]) -> None:
    short, long = (forms(make(size), encoded=True, ages={"ten"}) for size in (MAX_CHARS // 2, MAX_CHARS))
    assert len(long) == len(short) <= MAX_FORMS
    assert sum(len(form.text) for form in long) <= 2.01 * sum(len(form.text) for form in short) + 100
    assert _calls(make(MAX_CHARS)) <= 2.1 * _calls(make(MAX_CHARS // 2)) + 1000


def _calls(text: str) -> int:
    """How many functions, Python's and C's, run while the text is read."""
    count = 0

    def notice(*_: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(notice)
    try:
        forms(text, encoded=True, ages={"ten"})
    finally:
        sys.setprofile(before)
    return count
