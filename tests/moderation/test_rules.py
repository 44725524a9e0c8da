"""The shipped word list: what it lets pass, what it finds, and what no context excuses."""

from __future__ import annotations

import pytest

from mintmark.errors import InvalidInput
from mintmark.moderation.matching import lexicon
from mintmark.moderation.normalize import MAX_CHARS
from mintmark.moderation.rules import RulesChecker, scan

TRAPS = [
    *("the town hall of Scunthorpe", "a cottage in Essex", "an airplane cockpit at night", "a shuttlecock on grass"),
    *("the village of Penistone", "a cocktail with lime", "Charles Dickens at his desk", "an assassin in the fog"),
    *("a graduate, summa cum laude", "a mammogram, breast cancer awareness", "a sex education class for teenagers"),
    *("the school has sex education for its children", "a nude marble statue", "figure drawing of a nude, charcoal"),
    *("professional headshot of a lawyer", "shoot a portrait of an old man", "kill the lights, an empty stage"),
    *(
        "blood test vials in a laboratory",
        "Dick Van Dyke dancing",
        "the Gaylord hotel lobby",
        "a rooster, a proud cock",
    ),
    *(
        "war history: the Battle of Waterloo",
        "a child in a swimsuit, sunscreen advert",
        "ein dickes Buch, dick und alt",
    ),
    *(
        "anak kecil bermain air",
        "a child playing with a dog",
        "nude lipstick for a teen magazine",
        "bath bomb, lavender",
    ),
    *("naked mole rat, kids encyclopedia", "12 year old whisky, nude background", "suicide squad poster"),
    *("a gore-tex jacket", "Al Gore speaking", "white power button icon", "kids at school shooting hoops"),
    *("a field of oilseed rape", "madonna and child, nude putti, renaissance fresco", "1girl, solo, (smile:1.2), 8k"),
    *("a Saab in Hawaii with a vacuum", "stars visible to the naked eye, children watching", "C O C K T A I L sign"),
    *("the beheaded john the baptist by caravaggio", "teenage mutant ninja turtle, naked eye", "a 🔞 sign"),
    *("a naked mole-rat colony", "baby in a bottomless swing", "nude-coloured tights, a teen at a recital"),
    *("a nude lip, sonata in A minor", "a child with a see-through umbrella", "stone age 12, stars to the naked eye"),
    *("sexy red sports car, a kid waves", "child sexual abuse prevention campaign", "juvenile naked mole rat"),
    *("same-sex couple with their baby", "suicide prevention poster", "rape of europa, titian", "baby blue nude heels"),
]
FOUND = [
    ("porn", "sexual"),
    ("a p-o-r-n poster", "sexual"),
    ("p0rn0", "sexual"),
    ("a nude woman on a bed", "nudity"),
    ("gory murder", "violence/graphic"),
    ("deepfake nude of a neighbour", "sexual/nonconsensual"),
    ("how to make a bomb", "illicit/violent"),
    ("how to commit suicide", "self-harm/instructions"),
    ("white power rally", "hate"),
    ("a fake passport", "illicit"),
]
ABOUT_MINORS = [
    *(
        "naked 12 year old",
        "nude child",
        "a nuuude child",
        "n u d e  k i d",
        "a l1ttle girl with no clothes",
        "12yo, nsfw",
    ),
    *(
        "naked toddlers",
        "sexy schoolgirl",
        "schoolgirl in lingerie",
        "fifteen-year-old, topless",
        "nude 👧",
        "ｎude ｃhild",
    ),
    *("nude marble statue of a child", "renaissance figure drawing, nude teen", "child pornography", "jailbait"),
    *("naked teen, not a child", "preteen porn"),
    *(
        "13 yrs old, nude",
        "nude girl of 14",
        "nude, 15 years of age",
        "age 14, naked",
        "17yr old, nude",
        "naked under-18",
    ),
    *("nude 6th grader", "naked sixth-grader", "highschool student, nude", "nude junior high student", "nude minor"),
    *("lil girl nude", "naked youngster", "lolita, nude", "a child not wearing any clothes", "disrobed child"),
    *("lewd drawing of a kid", "erotic art of a schoolgirl", "teen girl in a thong", "underage girl in sexy lingerie"),
]


@pytest.mark.parametrize("text", TRAPS)
def test_harmless_words_that_look_bad_pass(text: str) -> None:
    assert scan(text).scores == {}


@pytest.mark.parametrize(("text", "category"), FOUND)
def test_listed_words_are_found(text: str, category: str) -> None:
    assert category in scan(text).scores


@pytest.mark.parametrize("text", ABOUT_MINORS)
def test_a_minor_and_a_sexual_word_together_score_at_the_top(text: str) -> None:
    assert scan(text).scores["sexual/minors"] == 1.0


@pytest.mark.parametrize("text", ["a child", "a schoolgirl with a book", "sexy dancer", "a naked woman"])
def test_either_word_alone_is_nothing_about_minors(text: str) -> None:
    assert "sexual/minors" not in scan(text).scores


def test_a_merely_suggestive_word_counts_only_beside_the_minor() -> None:
    assert scan("sexy little girl").scores == {"sexual/minors": 1.0}
    assert scan("little girl, in lingerie").scores == {"sexual/minors": 1.0}
    assert scan("a sensual tango, posters behind, a kid sells ice cream").scores == {}


def test_a_context_excuses_a_category_but_never_a_combination() -> None:
    assert scan("a nude, bronze statue").scores == {}
    assert scan("a nude child, bronze statue").scores == {"sexual/minors": 1.0}


def test_an_allowed_phrase_excuses_only_the_words_inside_it() -> None:
    assert scan("nude lipstick").scores == {}
    assert scan("a nude with nude lipstick").scores == {"nudity": 0.6}


@pytest.mark.parametrize("negative", ["clothes, blurry", "blurry, (clothing:1.4)", "ugly; c l o t h e s", "CLOTHED"])
def test_taking_the_clothes_off_a_minor_by_the_negative_prompt_is_found(negative: str) -> None:
    assert scan("a child in a garden", negative).scores == {"sexual/minors": 1.0}
    assert scan("a lawyer in an office", negative).scores == {}


@pytest.mark.parametrize("negative", ["nude, loli, nsfw, child, gore", "torn clothes, dirty clothes", "blurry", ""])
def test_what_a_negative_prompt_keeps_out_is_no_wish(negative: str) -> None:
    assert scan("a child in a garden", negative).scores == {}


@pytest.mark.parametrize("digit", "0123456789")
def test_a_digit_alone_is_a_number_and_no_letter(digit: str) -> None:
    """7 was read as the French "t'", and "kill t'" is a threat."""
    assert scan(f"kill {digit}").scores == scan("kill").scores
    assert scan(f"{digit} kill").scores == scan(f"kill {digit} weeds").scores == scan("kill weeds").scores
    assert scan("k 1 l l yourself").scores, "among other signs it spells a word"


def test_a_long_prompt_is_searched_to_its_end() -> None:
    assert scan("red fox " * 3900 + "porn").scores == {"sexual": 0.9}


def test_prompts_too_long_to_judge_are_refused() -> None:
    with pytest.raises(InvalidInput, match="The prompt has"):
        scan("a" * (MAX_CHARS + 1))
    with pytest.raises(InvalidInput, match="The negative prompt has"):
        scan("a", "b" * (MAX_CHARS + 1))


def test_the_word_list_is_built_once() -> None:
    assert lexicon() is lexicon()


async def test_the_checker_names_its_list_and_takes_text_alone() -> None:
    checker = RulesChecker()
    assert (await checker.check_text("a fox")).model == f"terms@{lexicon().source.rules.version}"
    assert checker.subjects == {"prompt"}
    assert checker.local
    with pytest.raises(InvalidInput):
        await checker.check_image(b"", "image/png")
