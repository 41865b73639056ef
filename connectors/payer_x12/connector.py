"""The connector object: eligibility inquiries to a payer or clearinghouse over X12."""

from __future__ import annotations

from connectors.payer_x12 import client
from connectors.payer_x12.config import Config
from connectors.payer_x12.parse import read_answer
from connectors.payer_x12.render import render, trace_company
from connectors.sdk.base import CheckReport, EligibilityAnswer
from connectors.sdk.ctx import Ctx
from connectors.sdk.probes import run_probes
from hub.domain.eligibility import EligibilityQuery
from hub.errors import ConfigError


class PayerX12:
    """Implements `Connector` and `EligibilityClient`."""

    Config = Config

    def check(self, ctx: Ctx) -> CheckReport:
        """Is the password there, and does the address answer? Asks about no member."""
        config = _config(ctx)
        return run_probes(
            ctx,
            {
                "credentials": lambda: ctx.secrets.get(config.password),
                "address": lambda: client.probe(ctx, config),
            },
        )

    def inquire(self, ctx: Ctx, query: EligibilityQuery) -> EligibilityAnswer:
        """Ask the payer about one patient and one service date.

        An AAA reject is an answer (outcome rejected). Raises Transient for a timeout, a 5xx, an
        answer cut short or one that is no X12; RateLimited; AuthError; ConfigError; DeadlineNear;
        DataError with reason invalid_query (nothing was sent), rejected_999, rejected_ta1,
        soap_fault, core_error, or other_request (the answer is not ours and must not be applied).
        """
        config = _config(ctx)
        request = render(query, config)
        raw = client.exchange(ctx, config, request, query.trace)
        result = read_answer(
            raw,
            trace=query.trace,
            trace_company=trace_company(query, config),
            service_types=query.service_types,
            service_date=query.service_date,
        )
        return EligibilityAnswer(result, raw)


def _config(ctx: Ctx) -> Config:
    if not isinstance(ctx.config, Config):
        raise ConfigError("The settings are not those of payer_x12.", field="config")
    return ctx.config


connector = PayerX12()
