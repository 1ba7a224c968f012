"""Every method of the services for operators has its role, and no role stands for a method that there is not."""

import importlib
import pkgutil
from collections.abc import Iterator

from google.protobuf.descriptor import FileDescriptor

import services.admin.roles
import services.scheduler.roles
from tenrusl.api import admin, externalscaler, scheduler
from tenrusl.operators import Role


def _methods(package: object) -> Iterator[str]:
    """The full names of all methods of the services in a generated package."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        if module.name.endswith("_pb2"):
            descriptor: FileDescriptor = importlib.import_module(module.name).DESCRIPTOR
            for service in descriptor.services_by_name.values():
                yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


def test_each_method_of_admin_has_a_role() -> None:
    assert set(services.admin.roles.ROLES) == set(_methods(admin))
    assert all(services.admin.roles.ROLES.values())


def test_each_method_of_the_scheduler_has_a_role_and_those_for_keda_are_open() -> None:
    roles = services.scheduler.roles.ROLES
    assert set(roles) == {*_methods(scheduler), *_methods(externalscaler)}
    assert {name for name, role in roles.items() if role is None} == set(_methods(externalscaler))


def test_what_changes_something_takes_more_than_a_viewer() -> None:
    roles = {**services.admin.roles.ROLES, **services.scheduler.roles.ROLES}
    looking = ("Get", "List", "Verify", "Diagnose", "Is", "Stream")
    for name, role in roles.items():
        method = name.rpartition("/")[2]
        if not method.startswith(looking):
            assert role in (Role.OPERATOR, Role.ADMIN), name
