"""Asking providers' own APIs whether a webhook is theirs: seldom, never without end, and with secrets in no log."""

from tenrusl.postback.source import Postback, PostbackUnavailableError

__all__ = ["Postback", "PostbackUnavailableError"]
