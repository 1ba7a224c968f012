"""Who does something, for the audit log."""

from dataclasses import dataclass
from datetime import datetime

from tenrusl.operators import Operator
from tenrusl.rpc.context import request_id
from tenrusl.rpc.operators import operator
from tenrusl.store.audit import AuditEntry, Values


@dataclass(frozen=True, slots=True)
class Caller:
    """An operator, and the id of the request."""

    operator: Operator
    request_id: str

    @property
    def name(self) -> str:
        """The name of the operator's key."""
        return self.operator.name

    def did(
        self, action: str, target: str, *, at: datetime, before: Values | None = None, after: Values | None = None
    ) -> AuditEntry:
        """An entry of the audit log."""
        return AuditEntry(
            at=at,
            actor=self.operator.name,
            role=self.operator.role.value,
            action=action,
            target=target,
            request_id=self.request_id,
            before=before,
            after=after,
        )


def current_caller() -> Caller:
    """Who called the method that runs. Raises LookupError where no operator was asked for."""
    return Caller(operator.get(), request_id.get())
