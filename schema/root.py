"""The schema: every declared type, the roots of Query and the mutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from hub.domain.agreements import Scope
from schema import (
    accesses,
    bids,
    care,
    clinical,
    connection_mutations,
    connectors_catalogue,
    consents,
    eligibility,
    emergencies,
    message_contents,
    messages,
    metrics,
    operations,
    patient_details,
    patients,
    payroll,
    practices,
    purchasing,
    receiving,
    requisitions,
    round_terms,
    rounds,
    savings,
    scenarios,
    supply,
    visits,
)
from schema.common import SCALARS
from schema.federation import Query as federation_query
from schema.mapping import checks
from schema.mapping.declare import Stored
from schema.mapping.mutate import Mutation, make_mutations
from schema.mapping.types import TypeMaker
from schema.mapping.visible import Visible
from schema.mutations import ENUMS, INPUTS, MUTATIONS
from schema.subscriptions import make_subscriptions

TYPES: tuple[Stored, ...] = (
    practices.practice,
    practices.service_agreement,
    practices.provider,
    patients.patient,
    patients.patient_identifier,
    patient_details.patient_name,
    patient_details.patient_address,
    patient_details.patient_telecom,
    patient_details.patient_contact,
    patient_details.guarantor,
    patient_details.allergy,
    patient_details.diagnosis,
    care.procedure,
    care.care_role,
    visits.encounter,
    visits.encounter_stay,
    visits.appointment,
    visits.appointment_resource,
    visits.observation,
    visits.observation_version,
    visits.charge,
    clinical.clinical_order,
    clinical.clinical_document,
    clinical.document_part,
    clinical.immunization,
    eligibility.payer,
    eligibility.coverage,
    eligibility.eligibility_check,
    eligibility.eligibility_benefit,
    emergencies.emergency_access,
    consents.consent,
    payroll.worker,
    payroll.employment,
    payroll.pay_period,
    payroll.payroll_run,
    payroll.pay_statement,
    payroll.pay_statement_line,
    supply.item,
    supply.supplier,
    supply.offer,
    supply.offer_tier,
    purchasing.purchasing_round,
    purchasing.requisition,
    purchasing.requisition_line,
    purchasing.purchasing_share,
    purchasing.purchase_order,
    purchasing.purchase_order_line,
    purchasing.order_document,
    requisitions.requisition_entry,
    requisitions.match_suggestion,
    requisitions.item_match,
    requisitions.item_pack,
    requisitions.par_level,
    requisitions.item_usage,
    receiving.invoice_match,
    receiving.match_finding,
    receiving.shortfall,
    savings.saving,
    savings.round_saving,
    savings.saving_line,
    savings.price_point,
    savings.price_benchmark,
    savings.fee_agreement,
    savings.supplier_payment,
    savings.member_statement,
    round_terms.round_offer,
    round_terms.round_supplier,
    round_terms.approved_equivalent,
    scenarios.purchasing_scenario,
    scenarios.scenario_share,
    bids.bid_invitation,
    bids.bid,
    rounds.purchasing_step,
    rounds.purchasing_plan,
    rounds.plan_share,
    rounds.plan_award,
    rounds.purchasing_participation,
    rounds.purchasing_exclusion,
    rounds.purchasing_decision,
    metrics.metric_figure,
    operations.connection,
    operations.connection_check,
    operations.connection_probe,
    operations.sync_run,
    operations.inbound_message,
    operations.message_issue,
    operations.outbound_message,
    operations.job,
    operations.export,
    operations.audit_event,
)


class HubSchema:
    """The built schema: `declared` types by name, `mutations` by name, `graphql` for validation."""

    def __init__(self, types: Sequence[Stored] = TYPES, *, federation: bool = False) -> None:
        checks.check(types)
        self.declared: Mapping[str, Stored] = {item.name: item for item in types}
        self.mutations: Mapping[str, Mutation] = {item.name: item for item in MUTATIONS}
        maker = TypeMaker(types)
        query = maker.make(
            "Query",
            [*maker.roots(), *maker.node_roots()],
            bases=(
                connectors_catalogue.Query,
                connection_mutations.Query,
                messages.Query,
                message_contents.Query,
                accesses.Query,
                *([federation_query] if federation else []),
            ),
        )
        self.strawberry = strawberry.Schema(
            query=query,
            mutation=make_mutations(maker, MUTATIONS, INPUTS, ENUMS),
            subscription=make_subscriptions(maker),
            types=[maker.names[item.name] for item in types],
            config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
        )
        self.graphql: GraphQLSchema = self.strawberry._schema
        self._visible = Visible(self.graphql, self.declared)

    def schema_for(self, scope: Scope) -> GraphQLSchema:
        """The schema as `scope` may see it; the same object for the same grants."""
        return self._visible.schema_for(scope)

    def made_for(self, scope: Scope) -> GraphQLSchema | None:
        """`schema_for` if it was asked for before; never waits."""
        return self._visible.made_for(scope)

    def sdl(self) -> str:
        """The schema in GraphQL's definition language."""
        return self.strawberry.as_str() + "\n"


def hub_schema(federation: bool = False) -> HubSchema:
    """The schema of this program, built once; with `federation` also as a subgraph."""
    return _built(federation)


@lru_cache(maxsize=2)
def _built(federation: bool) -> HubSchema:
    """Kept by one form of its argument: a default and a keyword would be two schemas."""
    return HubSchema(federation=federation)
