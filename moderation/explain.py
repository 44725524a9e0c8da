"""What a verdict says to the person who asked: plain words, the way forward, and never the matched word itself."""

from __future__ import annotations

from .verdict import Decision, Subject

# None of these contains a term of the word list, which a test holds: an explanation must not repeat what it refuses.
TITLES: dict[str, str] = {
    "sexual/minors": "content that sexualises the young",
    "sexual/nonconsensual": "intimate content without consent",
    "sexual": "explicit adult content",
    "nudity": "undraped bodies",
    "violence": "violence",
    "violence/graphic": "graphic violence",
    "self-harm": "people hurting themselves",
    "self-harm/intent": "someone's wish to hurt themselves",
    "self-harm/instructions": "ways to hurt oneself",
    "hate": "hatred of a group of people",
    "hate/threatening": "threats against a group of people",
    "harassment": "harassment",
    "harassment/threatening": "threats against someone",
    "illicit": "unlawful acts",
    "illicit/violent": "weapons or violent crime",
    "unknown_language": "words in a language that the rules do not know",
}

UNCHECKED = (
    "No image checker is set up, so nobody has looked at this image. Set an OpenAI key to have images checked "
    "(mintmark keys set openai; the check itself is free), or use a policy whose image_checkers is empty."
)


def unavailable(checker: str, subject: Subject) -> str:
    """An image or prompt went on although a checker did not answer."""
    return f"The {checker} checker did not answer, so this {subject} was judged without it. Check again before use."


def house(subject: Subject) -> str:
    """A list of the house rules decided."""
    return f"Your organisation does not allow this {subject}. Whoever keeps its house rules can say why."


def allowed(checkers: str) -> str:
    """Nothing was found, and by whom."""
    return f"Nothing here reaches a threshold of the policy (asked: {checkers})."


def found(decision: Decision, subject: Subject, category: str, score: float, *, of_word: bool) -> str:
    """A category decided. ``of_word``: by a word that is listed, which has no shades, and not by a score."""
    about = TITLES.get(category, category)
    if category == "sexual/minors":
        if decision == "blocked":
            return f"This {subject} reads as {about}. No policy allows that."
        return f"This {subject} may read as {about}. A person should look at it."
    where = " One word, or a phrase, was enough." if of_word else f" The score is {score:.2f}."
    if decision == "blocked":
        return f"This {subject} reads as {about}.{where} {_WAY_OUT[subject]}"
    return f"This {subject} may show {about}.{where}{_DONE[decision].get(subject, '')}"


_DONE: dict[Decision, dict[Subject, str]] = {
    "allowed": {},
    "flagged": {},
    "blurred": {"prompt": " What is made of it is blurred.", "image": " It is delivered blurred."},
    "review": {
        "prompt": " What is made of it waits until a person accepts it.",
        "image": " It waits until a person accepts it.",
    },
    "blocked": {},
}
_WAY_OUT: dict[Subject, str] = {
    "prompt": "Change what it asks for, or ask whoever sets the policy if it should be allowed.",
    "image": "Change what was asked for, or try another seed, or ask whoever sets the policy if it should be allowed.",
}
