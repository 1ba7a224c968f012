"""Which confirmers are there, and which providers may be named."""

from importlib.metadata import EntryPoint

import pytest

from services.processor.confirm import check_confirmed_providers
from tenrusl.confirmers import ENTRY_POINT_GROUP, Answer, UnconfirmedEvent, load_confirmers
from tenrusl.providers import PROVIDERS
from tenrusl.settings import SettingsError


async def agree(event: UnconfirmedEvent) -> Answer:
    return Answer.CONFIRMED


no_function = "text"


def entry(name: str, attribute: str = "agree", module: str = __name__) -> EntryPoint:
    return EntryPoint(name, f"{module}:{attribute}", ENTRY_POINT_GROUP)


def test_packages_add_confirmers() -> None:
    loaded = load_confirmers(packages=[entry("xendit"), entry("oy")])
    assert {name: confirmer.__name__ for name, confirmer in loaded.items()} == {"xendit": "agree", "oy": "agree"}
    assert load_confirmers(packages=[]) == {}


@pytest.mark.parametrize(
    ("packages", "problem"),
    [
        ([entry("xendit", "missing")], "cannot load"),
        ([entry("xendit", module="tenrusl.no_such_module")], "cannot load"),
        ([entry("xendit", "no_function")], "cannot be called"),
        ([entry("xendit"), entry("xendit")], "already"),
    ],
)
def test_what_cannot_be_used_is_named(packages: list[EntryPoint], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        load_confirmers(packages=packages)
    assert "entry point xendit" in caught.value.problems[0]


def test_the_setting_names_providers_that_have_something_to_confirm() -> None:
    check_confirmed_providers(["xendit", "midtrans", "skrill", "payoneer", "oy"], PROVIDERS)
    with pytest.raises(SettingsError) as caught:
        check_confirmed_providers(["stripe", "acme", "xendit"], PROVIDERS)
    assert caught.value.problems == [
        "TENRUSL_CONFIRM_PROVIDERS: the signature of stripe covers the body; leave it out",
        "TENRUSL_CONFIRM_PROVIDERS: there is no provider acme",
    ]
