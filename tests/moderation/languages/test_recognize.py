"""Which texts are taken for a language that the lists cover, and which for none of them."""

from __future__ import annotations

import pytest

from mintmark.moderation.languages.recognize import COVERED, small_words
from mintmark.moderation.rules import UNKNOWN_LANGUAGE, scan

KNOWN = [
    "8k, bokeh, masterpiece, best quality, ultra detailed, 1girl, solo",
    "Nike Air Max, studio, white background",
    "Dvořák",
    "Leonardo da Vinci, Vincent van Gogh",
    "Rio de Janeiro, Copacabana",
    "São Paulo skyline",
    "café crème",
    "a shop sign that reads «Привет»",
    "a menu in a Greek tavern, “Καλημέρα” on the wall",
    "",
    "🔥🔥🔥",
    "猫",
    "고양이",
    "木漏れ日の中を歩く猫",
    "Ein Leuchtturm an der Küste",
    "un gato en el tejado",
    "le chat sur le toit",
    "a red fox",
    "C O C K T A I L",
    "ｆｕｌｌｗｉｄｔｈ ａｎｄ ｂｏｌｄ 𝐭𝐞𝐱𝐭",
]
UNKNOWN = [
    "рыжая лиса на закате",
    "ثعلب أحمر عند الغروب",
    "שועל אדום בשקיעה",
    "सूर्यास्त के समय लाल लोमड़ी",
    "สุนัขจิ้งจอกสีแดงยามพระอาทิตย์ตก",
    "una volpe rossa nella neve con il tramonto alle spalle",
    "uma raposa vermelha na neve com o sol nas costas",
    "een rode vos op het strand met een jas",
    "czerwony lis na śniegu przy drzewie",
    "karda kırmızı bir tilki ve ağaç için güneş",
    "seekor rubah merah di salju dengan matahari",
    "một con cáo đỏ trên tuyết và mặt trời",
    "κόκκινη αλεπού στο ηλιοβασίλεμα",
]


@pytest.mark.parametrize("text", KNOWN)
def test_names_brands_keywords_and_covered_languages_are_no_unknown_language(text: str) -> None:
    assert UNKNOWN_LANGUAGE not in scan(text).scores


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_sentence_in_another_language_is_one_that_the_rules_do_not_know(text: str) -> None:
    scores = scan(text)
    assert scores.scores[UNKNOWN_LANGUAGE] == 1.0
    assert scores.rules[UNKNOWN_LANGUAGE] == "rules/unknown_language"


def test_words_are_only_told_apart_for_languages_with_gaps() -> None:
    told = {language for languages in small_words().values() for language in languages}
    assert {"en", "es", "de", "fr"} == told & COVERED
    assert len(told - COVERED) > 10
