"""The catalog: which models exist, what they can do and what they cost."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date
from typing import Any

from ..errors import InternalError, ModelRetired, PriceUnknown, UnknownModel
from ..metering.prices import Price
from . import catalog
from .local_name import is_local
from .model import Family, Model
from .request import Task


class Catalog:
    """Models by name, in the order of the catalog's files. Make one with :meth:`load`."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.name: model for model in models}
        self._apps: dict[str, Model] = {}

    @classmethod
    def load(cls) -> Catalog:
        """The catalog of this process: ours, with the user's own file over it where one is set; validated once.

        Raises InternalError naming the model and the field where one of our own rows is wrong.
        """
        global _loaded
        rows = catalog.rows()
        if _loaded is None or _loaded[0] is not rows:
            _loaded = rows, cls(_sound(row) for row in rows)
        return _loaded[1]

    def with_apps(self, apps: Iterable[Model]) -> Catalog:
        """The same models in a catalog of its own, which knows these apps beside them."""
        made = Catalog(self._models.values())
        for app in apps:
            made.learn(app)
        return made

    def learn(self, app: Model) -> None:
        """Know an app that is in no catalog, by its id; it is found by its name, and is not listed."""
        self._apps[app.name] = app

    def find(self, name: str) -> Model | None:
        """The model, retired or not, or None."""
        return self._models.get(name) or self._apps.get(name)

    def known(self, name: str) -> Model:
        """The model, retired or not. Raises UnknownModel naming close matches."""
        if (model := self.find(name)) is None:
            raise UnknownModel(f"No model {name!r} is known.", hint=self._suggestion(name, None))
        return model

    def get(self, name: str, today: date) -> Model:
        """The model, if it can be called ``today``.

        Raises UnknownModel naming close matches, and ModelRetired naming the date and the replacement.
        """
        model = self.find(name)
        if model is None:
            raise UnknownModel(f"No model {name!r} is known.", hint=self._suggestion(name, today))
        if model.retired(today):
            raise _retired(model)
        return model

    def list(
        self,
        *,
        task: Task | None = None,
        provider: str | None = None,
        family: Family | None = None,
        today: date | None = None,
    ) -> tuple[Model, ...]:
        """The models that match; with ``today``, only those that can still be called then."""
        return tuple(
            model
            for model in self._models.values()
            if (task is None or task in model.endpoint)
            and provider in (None, model.provider)
            and family in (None, model.family)
            and (today is None or not model.retired(today))
        )

    def price_of(self, model: Model, *, allow_unknown: bool = False) -> Price | None:
        """The model's price rule; None only where it is unknown and that is allowed. Raises PriceUnknown."""
        if model.price is None and not allow_unknown:
            raise PriceUnknown(
                f"The catalog does not know what {model.name} costs.",
                hint="Choose another model, or allow it: MINTMARK_ALLOW_UNKNOWN_PRICE=1.",
            )
        return model.price

    def _suggestion(self, name: str, today: date | None) -> str:
        if is_local(name):
            return "Checkpoints are known to the worker that has them, and stand in the model lists of its nodes."
        alive = [model.name for model in self.list(today=today)]
        # The part after the slash is what people remember, so a wrong or missing provider still finds it.
        short = {known.partition("/")[2]: known for known in alive}
        close = difflib.get_close_matches(name, alive, n=3, cutoff=0.6)
        close += [short[word] for word in difflib.get_close_matches(name.rpartition("/")[2], short, n=3, cutoff=0.6)]
        if close:
            return f"Did you mean {' or '.join(dict.fromkeys(close[:3]))}?"
        if name.count("/") > 1:
            return "See: mintmark models list. An app by its own id is called by the node Hosted App (docs/catalog.md)."
        provider = name.partition("/")[0]
        near = difflib.get_close_matches(
            name, [each for each in alive if each.startswith(f"{provider}/")], n=3, cutoff=0.0
        )
        if near:
            return f"{provider} has {', '.join(near)} and others: mintmark models list --provider {provider}"
        return "See: mintmark models list"


def _retired(model: Model) -> ModelRetired:
    life = model.lifecycle
    when = f" on {life.retires_on.isoformat()}" if life.retires_on else ""
    hint = f"Use {life.replaced_by} instead." if life.replaced_by else "See: mintmark models list"
    return ModelRetired(f"{model.name} was switched off by its provider{when}.", hint=hint)


def validated(row: dict[str, Any]) -> Model:
    """The row as a model. Raises ValueError naming the model and its first field that is wrong or missing."""
    from pydantic import ValidationError

    try:
        return Model.model_validate(row)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where, problem = [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
        if first["type"] == "union_tag_not_found":
            # Pydantic's own sentence speaks of tags: what is missing is the field that says which kind it is.
            where, problem = [*where, str(first["ctx"]["discriminator"]).strip("'")], "Field required"
        raise ValueError(f"{row.get('name')}: {'.'.join(where) or 'it'}: {problem}") from exc


def _sound(row: dict[str, Any]) -> Model:
    try:
        return validated(row)
    except ValueError as exc:
        raise InternalError(f"The catalog is wrong: {exc}.", hint="Mend providers/catalog.") from exc


_loaded: tuple[list[dict[str, Any]], Catalog] | None = None
"""The rows that were validated last, and what came of them."""
