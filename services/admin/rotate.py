"""Rotating providers' secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.admin.recognition import recall
from services.admin.rotation_state import HOUR, RotationState, check_safe, judge, state_of, view_of
from services.admin.secret_checks import (
    MAX_OWNER_CHARACTERS,
    MAX_REASON_CHARACTERS,
    check_counted,
    check_secret,
    check_text,
    find_field,
)
from services.admin.secret_views import Known, SecretView, read_known
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys, SecretCipher
from tenrusl.errors import ConflictError, FieldViolation, InvalidFieldError, NotFoundError, Reason
from tenrusl.providers.types import Provider
from tenrusl.rotation import (
    ACCEPTED,
    SecretStatus,
    abort,
    check_begin,
    complete,
    revoke,
    version_name,
)
from tenrusl.secret import Secret
from tenrusl.store.audit import AuditEntry, append_entry
from tenrusl.store.engine import Connection, Engine, transaction
from tenrusl.store.signature_counts import count_rejections
from tenrusl.store.signing_secrets import SecretRow, insert_version, lock_secrets, read_revision, set_status

# Of the environment's secrets, which nobody brought in by a rotation.
_FOUND = "found in the environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginOrder:
    """A secret to be rotated in. field: empty for the provider's main one."""

    provider: str
    field: str
    secret: Secret
    owner: str
    reason: str


class Rotations:
    """The use cases of RotationService.

    notify: tells ingress after each change, and does not fail; without it ingress finds out by polling.
    quiet: how long old versions must not have matched.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        providers: Mapping[str, Provider],
        cipher: SecretCipher,
        audit_keys: AuditKeys,
        notify: Callable[[], Awaitable[None]],
        clock: Clock,
        quiet: timedelta,
    ) -> None:
        self._engine = engine
        self._providers = providers
        self._cipher = cipher
        self._audit_keys = audit_keys
        self._notify = notify
        self._clock = clock
        self.quiet = quiet

    async def begin(self, order: BeginOrder, caller: Caller) -> RotationState:
        """Raises InvalidFieldError, NotFoundError(SECRET_NOT_FOUND), ConflictError.

        ROTATION_OPEN; PAYLOAD_SEALED when a key is missing without which none can tell whether it was revoked.
        """
        provider, now = order.provider, self._clock.now()
        field = find_field(self._providers, provider, order.field)
        check_counted(self._providers[provider], field)
        check_secret(self._providers[provider], field, order.secret)
        check_text("owner", order.owner, MAX_OWNER_CHARACTERS)
        check_text("reason", order.reason, MAX_REASON_CHARACTERS)
        async with transaction(self._engine) as connection:
            await lock_secrets(connection)
            before = await self._take_over(connection, await read_known(connection, [provider], now), field, now)
            statuses = before.statuses(field)
            if not statuses:
                raise NotFoundError(
                    Reason.SECRET_NOT_FOUND,
                    f"there is no {field} of {provider} to be rotated: no ingress reports one in its environment",
                )
            check_begin(statuses)
            recognition = await recall(connection, self._cipher)
            recognition.require_all()
            fingerprints = recognition.fingerprints(order.secret, provider=provider, field=field)
            earlier = before.numbers_of(field, fingerprints)
            if any(statuses[number] is SecretStatus.REVOKED for number in earlier):
                raise InvalidFieldError(FieldViolation("secret", "must be another: this one was revoked"))
            if any(statuses[number] in ACCEPTED for number in earlier):
                raise InvalidFieldError(FieldViolation("secret", "must be another than those that are known"))
            number = _next_number(before)
            await insert_version(
                connection,
                SecretRow(
                    provider=provider,
                    number=number,
                    field=field,
                    status=SecretStatus.NEXT,
                    from_environment=False,
                    sealed=self._cipher.seal(order.secret, provider=provider, field=field, number=number),
                    # As it is known already, so that one secret has one.
                    fingerprint=before.fingerprint(earlier[-1]) if earlier else fingerprints[0],
                    owner=order.owner,
                    reason=order.reason,
                    created_by=caller.operator.name,
                    created_at=now,
                    rejections_before=await count_rejections(connection, provider, now - HOUR, now),
                ),
            )
            after = await read_known(connection, [provider], now)
            notes: dict[str, object] = {"version": version_name(number), "owner": order.owner, "reason": order.reason}
            if earlier:
                notes["same_as"] = [version_name(number) for number in earlier]
            await self._audit(connection, "rotation.begin", (before, after), field, caller, now, notes)
        await self._notify()
        return state_of(after, field, number)

    async def get(self, provider: str, field: str) -> RotationState:
        """Raises InvalidFieldError, ConflictError(ROTATION_NOT_OPEN)."""
        field = find_field(self._providers, provider, field)
        async with transaction(self._engine) as connection:
            now, revision = self._clock.now(), await read_revision(connection)
            known = await read_known(connection, [provider], now)
            return await judge(connection, known, field, now, quiet=self.quiet, revision=revision)

    async def complete(self, provider: str, field: str, caller: Caller, *, force: bool = False) -> RotationState:
        """What is current now, and what was retired. Raises InvalidFieldError, ConflictError: ROTATION_NOT_OPEN,
        ROTATION_NOT_SAFE unless forced."""
        field = find_field(self._providers, provider, field)
        async with transaction(self._engine) as connection:
            # Judged under the lock, so that just what was judged is completed. Its revision no ingress can have yet.
            revision = await lock_secrets(connection) - 1
            now = self._clock.now()
            known = await read_known(connection, [provider], now)
            state = await judge(connection, known, field, now, quiet=self.quiet, revision=revision)
            if not force:
                check_safe(state)
            before = await self._take_over(connection, known, field, now)
            changes = complete(before.statuses(field))
            after = await _apply(connection, provider, changes, now)
            notes = {"forced": force, "blockers": [blocker.value for blocker in state.blockers]}
            await self._audit(connection, "rotation.complete", (before, after), field, caller, now, notes)
        await self._notify()
        views = {number: after.view(row) for row in after.rows if (number := row.number) in changes}
        new = next(number for number, status in changes.items() if status is SecretStatus.CURRENT)
        return RotationState(new=views.pop(new), old=list(views.values()))

    async def abort(self, provider: str, field: str, caller: Caller, *, leave_none: bool = False) -> SecretView:
        """The version that was taken back. Raises InvalidFieldError, ConflictError: ROTATION_NOT_OPEN, LAST_SECRET."""
        field, now = find_field(self._providers, provider, field), self._clock.now()
        async with transaction(self._engine) as connection:
            await lock_secrets(connection)
            before = await self._take_over(connection, await read_known(connection, [provider], now), field, now)
            changes = abort(before.statuses(field), gone=before.gone(field), leave_none=leave_none)
            after = await _apply(connection, provider, changes, now)
            await self._audit(connection, "rotation.abort", (before, after), field, caller, now, {})
        await self._notify()
        return view_of(after, next(iter(changes)))

    async def revoke(
        self, provider: str, field: str, version: str, reason: str, caller: Caller, *, leave_none: bool = False
    ) -> SecretView:
        """The version that was revoked, and with it every other one with the same secret; again is no error.

        version: as in `versions`. Raises InvalidFieldError, NotFoundError(SECRET_NOT_FOUND), ConflictError:
        LAST_SECRET, SECRET_AMBIGUOUS.
        """
        field, now = find_field(self._providers, provider, field), self._clock.now()
        check_text("reason", reason, MAX_REASON_CHARACTERS)
        async with transaction(self._engine) as connection:
            await lock_secrets(connection)
            known = await read_known(connection, [provider], now)
            fingerprint = _find_version(known, provider, field, version)
            before = await self._take_over(connection, known, field, now)
            recognition = await recall(connection, self._cipher)
            numbers = before.numbers_of(field, recognition.same(before, field, fingerprint))
            changes = revoke(before.statuses(field), numbers, gone=before.gone(field), leave_none=leave_none)
            after = await _apply(connection, provider, changes, now)
            notes = {"versions": [version_name(number) for number in numbers], "reason": reason}
            await self._audit(connection, "secret.revoke", (before, after), field, caller, now, notes)
        await self._notify()
        asked = [number for number in numbers if version_name(number) == version]
        return view_of(after, asked[0] if asked else numbers[-1])

    async def versions(self, provider: str = "") -> list[SecretView]:
        """All versions, or those of one provider, by provider and field, oldest first. Raises InvalidFieldError."""
        if provider:
            find_field(self._providers, provider, "")
        async with transaction(self._engine) as connection:
            known = await read_known(connection, [provider] if provider else sorted(self._providers), self._clock.now())
        views = [known.view(row) for row in known.rows] + [known.view_unmet(secret) for secret in known.unmet()]
        return sorted(views, key=lambda view: (view.provider, view.field))  # stable: oldest first within

    async def _take_over(self, connection: Connection, known: Known, field: str, now: datetime) -> Known:
        """Makes the environment's secrets versions of the store, so that they can be retired; what is known then.

        known: of one provider.
        """
        unmet = known.unmet(field)
        for number, secret in enumerate(unmet, _next_number(known)):
            await insert_version(
                connection,
                SecretRow(
                    provider=secret.provider,
                    number=number,
                    field=field,
                    status=SecretStatus.CURRENT,
                    from_environment=True,
                    sealed=None,
                    fingerprint=secret.fingerprint,
                    owner="",
                    reason=_FOUND,
                    created_by="",
                    created_at=now,
                ),
            )
        return await read_known(connection, [unmet[0].provider], now) if unmet else known

    async def _audit(
        self,
        connection: Connection,
        action: str,
        states: tuple[Known, Known],
        field: str,
        caller: Caller,
        now: datetime,
        notes: Mapping[str, object],
    ) -> None:
        before, after = states
        await append_entry(
            connection,
            AuditEntry(
                at=now,
                actor=caller.operator.name,
                role=caller.operator.role.value,
                action=action,
                target=f"secret/{after.rows[0].provider}/{field}",
                request_id=caller.request_id,
                before={"accepted": _accepted(before, field)},
                after={"accepted": _accepted(after, field), **notes},
            ),
            self._audit_keys,
        )


async def _apply(connection: Connection, provider: str, changes: Mapping[int, SecretStatus], now: datetime) -> Known:
    for number, status in changes.items():
        await set_status(connection, provider, number, status, now)
    return await read_known(connection, [provider], now)


def _find_version(known: Known, provider: str, field: str, version: str) -> bytes:
    """The fingerprint of a version. Raises NotFoundError(SECRET_NOT_FOUND), ConflictError(SECRET_AMBIGUOUS)."""
    unmet = known.unmet(field)
    found = {version_name(row.number): row.fingerprint for row in known.rows if row.field == field}
    found |= {known.name_of(secret): secret.fingerprint for secret in unmet}
    if version in found:
        return found[version]
    same = [known.name_of(secret) for secret in unmet if secret.version == version]
    if same:
        raise ConflictError(
            Reason.SECRET_AMBIGUOUS, f"{field} of {provider} has several {version} now; name one: {', '.join(same)}"
        )
    raise NotFoundError(Reason.SECRET_NOT_FOUND, f"{field} of {provider} has no such version")


def _next_number(known: Known) -> int:
    return max((row.number for row in known.rows), default=0) + 1


def _accepted(known: Known, field: str) -> list[str]:
    return [version_name(number) for number, status in known.statuses(field).items() if status in ACCEPTED]
