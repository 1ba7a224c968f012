"""Asking a provider's own API whether a webhook is its own: said here as a value, asked by tenrusl.postback."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tenrusl.errors import Reason
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError
from tenrusl.secret import Secret

# Where `with_answer` puts the answer. No provider has a credential of this name, so settings cannot set it.
ANSWER = "postback_answer"


class Answer(StrEnum):
    """How the provider's answer reads."""

    AUTHENTIC = "authentic"
    FORGED = "forged"
    UNCLEAR = "unclear"  # whatever else was answered: to be asked again


@dataclass(frozen=True, slots=True)
class ApiClient:
    """An OAuth client (RFC 6749, section 2.3.1). The id is no secret, but nobody's business in a log either."""

    id: Secret
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One POST of JSON over https to port 443, with a bearer token that client credentials buy.

    host: from an allow-list, never from a webhook. path, token_path: of the question and of the token endpoint
    (RFC 6749, section 4.4). clients: tried in order until one gets a token. body: the JSON.
    version: of the credential that the question is asked with; it becomes the version that matched.
    is_proven: a signature was verified before, so a stranger cannot cause this question.
    read: how the body of an answer with status 200 reads. Never raises.
    """

    host: str
    path: str
    token_path: str
    clients: tuple[ApiClient, ...]
    body: bytes
    version: str
    is_proven: bool
    read: Callable[[bytes], Answer]


def with_answer(credentials: Credentials, question: Question, answer: Answer) -> Credentials:
    """The credentials and what the provider answered about the one webhook that they are passed on for."""
    return Credentials({**credentials.fields, ANSWER: (SecretVersion(question.version, Secret(answer.value)),)})


def answered_version(credentials: Credentials) -> str:
    """The version of the question that was answered with yes.

    Raises SignatureError: VERIFICATION_FAILED for a no, VERIFICATION_UNAVAILABLE without an answer that is either.
    """
    for version in credentials.fields.get(ANSWER, ()):
        match version.secret.reveal():
            case Answer.AUTHENTIC.value:
                return version.version
            case Answer.FORGED.value:
                raise SignatureError(Reason.VERIFICATION_FAILED)
    raise SignatureError(Reason.VERIFICATION_UNAVAILABLE)
