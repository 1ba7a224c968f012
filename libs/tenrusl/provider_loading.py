"""All providers of this installation: those built in, those declared in settings, those that packages add."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType

from tenrusl.providers import PROVIDERS
from tenrusl.providers.generic import GenericSpecError, build_generic, parse_specs
from tenrusl.providers.generic_spec import NAME
from tenrusl.providers.types import Provider
from tenrusl.settings import Settings, SettingsError

# A package adds a Provider by an entry point of this group, whose name is the provider's.
ENTRY_POINT_GROUP = "tenrusl.providers"
_SETTING = "TENRUSL_GENERIC_PROVIDERS_FILE"


def load_providers(settings: Settings, *, packages: Iterable[EntryPoint] | None = None) -> Mapping[str, Provider]:
    """The providers by name. packages: by default the entry points of all installed packages.

    Reads the file that TENRUSL_GENERIC_PROVIDERS_FILE names. Raises SettingsError, with one line for everything
    that is wrong: no name may stand twice, so nothing replaces a built-in provider.
    """
    providers = dict(PROVIDERS)
    problems: list[str] = []
    added = entry_points(group=ENTRY_POINT_GROUP) if packages is None else packages
    for source, found in (*_declared(settings.generic_providers_file, problems), *_from_packages(added, problems)):
        if found.name in providers:
            problems.append(f"{source}: there is a provider {found.name} already")
        else:
            providers[found.name] = found
    if problems:
        raise SettingsError(problems)
    return MappingProxyType(providers)


def _declared(path: str, problems: list[str]) -> list[tuple[str, Provider]]:
    if not path:
        return []
    try:
        specs = parse_specs(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        problems.append(f"{_SETTING}: cannot read the file: {type(exc).__name__}")
        return []
    except GenericSpecError as exc:
        problems.append(f"{_SETTING}: {exc}")
        return []
    return [(_SETTING, build_generic(spec)) for spec in specs]


def _from_packages(packages: Iterable[EntryPoint], problems: list[str]) -> list[tuple[str, Provider]]:
    found = []
    for entry in packages:
        source = f"entry point {entry.name} of {ENTRY_POINT_GROUP}"
        try:
            provider = entry.load()
        except Exception as exc:  # a package's code may fail in any way, and the service does not start then
            problems.append(f"{source}: cannot load {entry.value}: {type(exc).__name__}: {exc}")
            continue
        if not isinstance(provider, Provider):
            problems.append(f"{source}: {entry.value} is no tenrusl.providers.types.Provider")
        elif provider.name != entry.name:
            problems.append(f"{source}: the provider calls itself {provider.name}")
        elif not NAME.fullmatch(provider.name):  # it stands in addresses and in names of variables
            problems.append(f"{source}: the name must look like {NAME.pattern}")
        else:
            found.append((source, provider))
    return found
