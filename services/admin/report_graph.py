"""ReportService with all that it needs."""

from collections.abc import Mapping

from services.admin.backlog import Backlog
from services.admin.events import Events
from services.admin.incident import Incidents
from services.admin.payload import Payloads
from services.admin.report import Reports
from services.admin.report_servicer import ReportServicer
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys, PayloadCipher
from tenrusl.providers.types import Provider
from tenrusl.settings import Settings
from tenrusl.store.engine import Engine


def build_report_servicer(
    settings: Settings, *, engine: Engine, providers: Mapping[str, Provider], audit_keys: AuditKeys, clock: Clock
) -> ReportServicer:
    """The servicer."""
    reports = Reports(
        engine=engine,
        backlog=Backlog(engine, clock),
        providers=providers,
        retention=settings.retention_policy,
        max_age_days=settings.secret_max_age_days,
        clock=clock,
    )
    incidents = Incidents(
        engine=engine,
        events=Events(engine, providers),
        payloads=Payloads(
            engine=engine,
            cipher=PayloadCipher(*settings.app_keys),
            audit_keys=audit_keys,
            clock=clock,
        ),
        providers=providers,
        audit_keys=audit_keys,
        clock=clock,
    )
    return ReportServicer(reports, incidents)
