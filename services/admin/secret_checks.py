"""Whether a secret may be rotated in. No message shows it."""

from collections.abc import Mapping

from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.providers.types import Provider
from tenrusl.secret import Secret
from tenrusl.settings import credential_variable

# A shorter one can be guessed. What has a check of its own (addresses, keys) is judged by that.
MIN_SECRET_CHARACTERS = 8
MAX_SECRET_CHARACTERS = 65_536
MAX_OWNER_CHARACTERS = 200
MAX_REASON_CHARACTERS = 1000


def find_field(providers: Mapping[str, Provider], provider: str, field: str) -> str:
    """The name of the field; an empty one means the provider's main one. Raises InvalidFieldError."""
    found = providers.get(provider)
    if found is None:
        raise InvalidFieldError(FieldViolation("provider", "must be the name of a provider that is known"))
    if field and field not in found.credential_fields:
        known = ", ".join(found.credential_fields)
        raise InvalidFieldError(FieldViolation("field", f"must be one of {known}"))
    return field or found.secret_field


def check_counted(provider: Provider, field: str) -> None:
    """Raises InvalidFieldError for a field by whose versions no webhook is counted: it would never be safe."""
    if field != provider.secret_field and field not in provider.counted_fields:
        variable = credential_variable(provider.name, field, "next")
        raise InvalidFieldError(
            FieldViolation(
                "field",
                f"{field} cannot be rotated here: webhooks are not counted by its versions, so nothing would tell "
                f"when the old one is safe to drop; set {variable} in the environment of ingress, and later replace "
                "the old one there",
            )
        )


def check_secret(provider: Provider, field: str, secret: Secret) -> None:
    """Raises InvalidFieldError for one that no webhook could be verified with, or that is too easy to guess."""
    problem = _problem_of(provider, field, secret.reveal())
    if problem:
        raise InvalidFieldError(FieldViolation("secret", problem))


def check_text(name: str, text: str, most: int) -> None:
    """Raises InvalidFieldError unless it has 1 to `most` printable characters."""
    if not text.strip() or len(text) > most or not text.isprintable():
        raise InvalidFieldError(FieldViolation(name, f"must have 1 to {most} printable characters"))


def _problem_of(provider: Provider, field: str, text: str) -> str:
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_SECRET_CHARACTERS:
        return f"must have at most {MAX_SECRET_CHARACTERS} characters"
    if "\n" not in text.strip() and text != text.strip():
        return "must not begin or end with white space"
    check = provider.credential_checks.get(field)
    if check is None:
        few = len(text) < MIN_SECRET_CHARACTERS
        return f"must have {MIN_SECRET_CHARACTERS} characters or more" if few else ""
    try:
        check(text)
    except ValueError as exc:
        return str(exc)
    return ""
