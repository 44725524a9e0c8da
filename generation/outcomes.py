"""What became of a call, as the journal is told it: settled with its charge, released, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import log
from ..errors import ChargeUnknown, ProviderError
from ..metering.prices import charge, measured, usd
from ..providers.base import Answer
from ..providers.model import Model
from ..providers.models import Catalog
from ..providers.own_catalog import price_source
from .call import Call, State
from .journal import Journal
from .results import Results
from .surely import surely

logger = log.get("generation.calls")


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Writes them down. The money is spent, so each is written even while its job is being canceled."""

    journal: Journal
    catalog: Catalog
    results: Results

    async def move(self, call: Call, state: State, **facts: Any) -> Call:
        """The call as it stands after this step. Where nobody bills, no call is ever in doubt."""
        if state == "unknown" and not call.billed:
            state = "released"
        return await surely(self.journal.move, call.call_id, state, **facts)

    async def failed(self, call: Call, exc: ProviderError) -> Call:
        """A call that gave an error, by what that knows of the charge."""
        facts = {"reason": exc.code, "request_id": exc.request_id}
        if exc.charged == "no":
            return await self.move(call, "released", **facts)
        if exc.charged == "yes":
            await surely(self.results.saved, call, exc)
            return await self.move(
                call,
                "settled",
                microusd=call.hold_microusd if exc.microusd is None else exc.microusd,
                request_id=exc.request_id,
                result={},
            )
        return await self.move(call, "unknown", **facts)

    async def settle(self, model: Model, call: Call, answer: Answer) -> Call:
        """A call that gave an answer. One blocking step."""
        return await surely(self._settled, model, call, answer)

    def _settled(self, model: Model, call: Call, answer: Answer) -> Call:
        # The images come first: they are safe before the call counts as settled.
        said = "the provider's own answer" if answer.charge_microusd is not None else price_source(model)
        result = {**self.results.kept(answer), "price_source": answer.charged_by or said}
        facts = {"microusd": self._charge(model, call, answer), "request_id": answer.request_id, "result": result}
        return self.journal.move(call.call_id, "settled", **facts)

    def _charge(self, model: Model, call: Call, answer: Answer) -> int:
        if answer.charge_microusd is not None:
            return answer.charge_microusd
        price = self.catalog.price_of(model, allow_unknown=True)
        if price is None or not measured(price, answer.usage):
            return call.hold_microusd
        microusd = charge(price, answer.usage, call.parameters)
        if microusd > call.hold_microusd:
            logger.warning(
                "Call %s was charged %s, more than its hold of %s",
                *(call.call_id, usd(microusd), usd(call.hold_microusd)),
                extra=log.action("charged_over_hold", call_id=call.call_id),
            )
        return microusd


def charge_unknown(call: Call) -> ChargeUnknown:
    """The error of a call that was asked and whose outcome cannot be learned."""
    return ChargeUnknown(
        f"Call {call.call_id} to {call.model} was asked and its outcome is not known; "
        f"{usd(call.hold_microusd)} stays set aside for it.",
        hint="Look it up at the provider; MINTMARK_ON_UNKNOWN=available asks again and may pay twice.",
        provider=call.provider,
        charged="unknown",
        request_id=call.request_id,
    )
