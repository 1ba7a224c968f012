"""Pages made from the code: what they must name, where their links lead, and that `--check` sees a change."""

import re
from pathlib import Path

import pytest

from tenrusl.docs.__main__ import main
from tenrusl.docs.markdown import anchor, table
from tenrusl.docs.pages import PAGES
from tenrusl.docs.provider_section import described, render_section, window
from tenrusl.docs.providers_page import real_schemes
from tenrusl.providers import PROVIDERS
from tenrusl.providers.about import Proof
from tenrusl.settings import DEFAULT_FIELD, credential_variable

_ROOT = Path(__file__).parents[3]


def _headings(text: str) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


def _pages() -> dict[Path, str]:
    """The generated pages as they would be, and those written by hand about providers."""
    pages = {path: path.read_text(encoding="utf-8") for path in (_ROOT / "docs/providers").glob("*.md")}
    return pages | {_ROOT / name: render() for name, render in PAGES.items()}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_a_providers_part_names_each_of_its_variables_and_headers(name: str) -> None:
    provider = PROVIDERS[name]
    section = render_section(provider, page="…")
    fields = [DEFAULT_FIELD if field == provider.secret_field else field for field in provider.credential_fields]
    headers = [header for scheme in provider.schemes for header in scheme.describe().headers]
    for text in [credential_variable(name, field, "current") for field in fields] + headers:
        assert f"`{text}`" in section


@pytest.mark.parametrize("page", sorted(_pages()), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    pages = _pages()
    for target in re.findall(r"\]\(([^)]*)\)", pages[page]):
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked in pages or linked.exists(), target
        if heading:
            assert heading in _headings(pages[linked]), target


def test_every_provider_has_a_page_of_its_events() -> None:
    names = {path.stem for path in (_ROOT / "docs/providers").glob("*.md")}
    assert names == {*PROVIDERS, "generic"}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_what_is_generated_is_not_written_by_hand_too(name: str) -> None:
    text = (_ROOT / f"docs/providers/{name}.md").read_text(encoding="utf-8")
    assert f"[providers.md](../providers.md#{anchor(described(PROVIDERS[name]).title)})" in text
    assert not re.findall(rf"TENRUSL_\w+_{name.upper()}\w*|\*\*(?:Verified by|Credentials|Weaknesses)\*\*", text)


@pytest.mark.parametrize(("name", "scheme"), [("oy", "seed_simulator"), ("payoneer", "seed_simulator")])
def test_a_scheme_that_only_simulators_use_is_told_of_but_not_in_the_overview(name: str, scheme: str) -> None:
    provider = PROVIDERS[name]
    assert scheme not in {real.name for real in real_schemes(provider)}
    assert f"**Scheme `{scheme}`**, in use only where `TENRUSL_PROVIDER_" in render_section(provider, page="…")


@pytest.mark.parametrize(
    ("max_age", "max_ahead", "text"),
    [
        (None, None, "not checked"),
        (300, 300, "300 s either way"),
        (300, None, "at most 300 s old, any time ahead"),
        (None, 0.5, "any age, at most 0.5 s ahead"),
        (2 * 86_400, 86_400, "at most 2 days old, at most a day ahead"),
    ],
)
def test_a_window_is_told(max_age: float | None, max_ahead: float | None, text: str) -> None:
    assert window(Proof(place="p", algorithm="a", max_age=max_age, max_ahead=max_ahead)) == text


def test_a_pipe_in_a_cell_ends_no_cell() -> None:
    assert table(["a"], [["`b|c`"]]) == "| a |\n| --- |\n| `b\\|c` |"


def test_check_fails_until_the_pages_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    page = tmp_path / next(iter(PAGES))
    page.write_text(page.read_text(encoding="utf-8").replace("a", "b", 1), encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert str(next(iter(PAGES))) in capsys.readouterr().err
