"""The EHR connector: messages come to us, so there is nothing to call and little to check."""

from __future__ import annotations

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.parse import parse
from connectors.sdk.base import CheckReport, ParsedDocument, Probe, RawDocument
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from hub.errors import ConfigError


class EhrHl7v2:
    """Implements `Connector` and `DocumentParser`."""

    Config = Config

    def check(self, ctx: Ctx) -> CheckReport:
        """The dialect loads; whether messages arrive is seen at the listener, not from here."""
        usable = isinstance(ctx.config, Config)
        hint = "" if usable else "Create the connection anew with the settings of ehr_hl7v2."
        error = "" if usable else "The settings are not those of this connector."
        return CheckReport((Probe("dialect", usable, error, hint),))

    def parse(self, config: ConnectorConfig, document: RawDocument) -> ParsedDocument:
        """One HL7 v2 message to records; raises `Rejected` without values."""
        if not isinstance(config, Config):
            raise ConfigError("The settings are not those of ehr_hl7v2.", field="connector")
        return parse(config, document)


connector = EhrHl7v2()
