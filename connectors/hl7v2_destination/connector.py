"""The HL7 v2 destination: messages go out as they are, one after another, each answered."""

from __future__ import annotations

from connectors.hl7v2_destination.client import MllpLink, connect
from connectors.hl7v2_destination.config import Config
from connectors.hl7v2_destination.render import draft_appointment
from connectors.hl7v2_destination.render_orders import draft_order
from connectors.sdk.base import AppointmentNotice, CheckReport, Draft, OrderNotice
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.probes import run_probes
from hub.errors import ConfigError


class Hl7v2Destination:
    """Implements `Connector`, `MessageSender` and `MessageAuthor`."""

    Config = Config

    def check(self, ctx: Ctx) -> CheckReport:
        """Connects and hangs up: nothing is sent, since MLLP has no message that does nothing."""
        return run_probes(ctx, {"connect": lambda: self.open(ctx).close()})

    def draft_appointment(self, config: ConnectorConfig, notice: AppointmentNotice) -> Draft:
        """A SIU of version 2.5.1."""
        if not isinstance(config, Config):
            raise ConfigError("The settings are not those of hl7v2_destination.", field="connector")
        return draft_appointment(config, notice)

    def draft_order(self, config: ConnectorConfig, notice: OrderNotice) -> Draft:
        """An OML^O21 or ORM^O01 of version 2.5.1."""
        if not isinstance(config, Config):
            raise ConfigError("The settings are not those of hl7v2_destination.", field="connector")
        return draft_order(config, notice)

    def open(self, ctx: Ctx) -> MllpLink:
        """Connect; raises Unreachable or ConfigError."""
        if not isinstance(ctx.config, Config):
            raise ConfigError("The settings are not those of hl7v2_destination.", field="connector")
        return connect(ctx.config, ctx.secrets)


connector = Hl7v2Destination()
