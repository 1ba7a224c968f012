"""ReportService: proto to domain and back."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from services.admin.backlog_requests import read_id
from services.admin.event_messages import details_message
from services.admin.incident import Incident, Incidents
from services.admin.report import Peak, Reports, SecretAge, WeeklyReport
from tenrusl.api.admin.v1 import report_pb2, report_pb2_grpc
from tenrusl.caller import current_caller
from tenrusl.store.event_details import Transition
from tenrusl.store.retention import ALL_PROVIDERS

_Context = aio.ServicerContext[Any, Any]


class ReportServicer(report_pb2_grpc.ReportServiceServicer):
    """Answers with reports."""

    def __init__(self, reports: Reports, incidents: Incidents) -> None:
        self._reports = reports
        self._incidents = incidents

    async def GetDailyReport(  # noqa: N802 - the name of the RPC
        self, request: report_pb2.GetDailyReportRequest, context: _Context
    ) -> report_pb2.GetDailyReportResponse:
        state, traffic = await self._reports.daily()
        return report_pb2.GetDailyReportResponse(
            time=_timestamp(state.time),
            failed=sum(item.by_status["failed"] for item in state.providers),
            due=state.due,
            unfinished=state.unfinished,
            dead_letters=sum(group.events for group in state.dead_letters),
            unconfirmed=state.unconfirmed,
            average_attempts=state.average_attempts,
            capped=state.capped,
            arrived=traffic.events,
            busiest_hour=_peak_message(traffic.hour),
            busiest_minute=_peak_message(traffic.minute),
            traffic_estimated=traffic.estimated,
        )

    async def GetWeeklyReport(  # noqa: N802 - the name of the RPC
        self, request: report_pb2.GetWeeklyReportRequest, context: _Context
    ) -> report_pb2.GetWeeklyReportResponse:
        report = await self._reports.weekly()
        return report_pb2.GetWeeklyReportResponse(
            time=_timestamp(report.time),
            secret_max_age_days=report.max_age_days,
            secrets=[_secret_message(age) for age in report.secrets],
            retention=_retention_messages(report),
            oldest_day=report.oldest_day.isoformat() if report.oldest_day else "",
            overdue_days=report.overdue_days,
            purged_days=report.purged_days,
            held_payloads=report.held,
            retained_payloads=report.retained,
        )

    async def CaptureIncident(  # noqa: N802 - the name of the RPC
        self, request: report_pb2.CaptureIncidentRequest, context: _Context
    ) -> report_pb2.CaptureIncidentResponse:
        return _incident_message(await self._incidents.capture(read_id(request.event_id), current_caller()))


def _peak_message(peak: Peak | None) -> report_pb2.TrafficPeak | None:
    return report_pb2.TrafficPeak(start_time=_timestamp(peak.start), events=peak.events) if peak else None


def _secret_message(age: SecretAge) -> report_pb2.SecretAge:
    return report_pb2.SecretAge(
        provider=age.provider,
        field=age.field,
        version=age.version,
        create_time=_timestamp(age.since),
        age_days=age.days,
        due=age.due,
        rotating=age.rotating,
        age_unknown=age.since is None,
    )


def _retention_messages(report: WeeklyReport) -> list[report_pb2.RetentionState]:
    policy, now = report.retention, report.time
    default = report_pb2.RetentionState(
        provider=ALL_PROVIDERS, days=policy.default_days, first_kept=policy.first_kept_by_default(now).isoformat()
    )
    return [default] + [
        report_pb2.RetentionState(provider=name, days=days, first_kept=policy.first_kept(name, now).isoformat())
        for name, days in sorted(policy.provider_days.items())
    ]


def _incident_message(incident: Incident) -> report_pb2.CaptureIncidentResponse:
    return report_pb2.CaptureIncidentResponse(
        time=_timestamp(incident.time),
        captured_by=incident.captured_by,
        details=details_message(incident.event, incident.happened),
        payload=incident.payload,
        payload_missing=incident.payload_missing,
        transitions=[_transition_message(item) for item in incident.transitions],
        request_ids=incident.request_ids,
    )


def _transition_message(item: Transition) -> report_pb2.Transition:
    return report_pb2.Transition(
        event_id=str(item.event_id),
        payment_id=str(item.payment_id),
        from_status=item.from_status or "",
        to_status=item.to_status,
        reported_status=item.reported_status,
        disposition=item.disposition,
        occur_time=_timestamp(item.occurred_at),
        apply_time=_timestamp(item.at),
    )


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message
