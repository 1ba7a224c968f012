"""What tests of rotations start from."""

import pytest

from tenrusl.store.engine import Engine
from tests.builders import FixedClock
from tests.integration.admin.rotation_stack import Admin, Ingress


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def admin(engine: Engine, clock: FixedClock) -> Admin:
    return Admin(engine, clock)


@pytest.fixture
async def ingress(engine: Engine, clock: FixedClock) -> Ingress:
    ingress = Ingress(engine, clock)
    await ingress.sync()
    return ingress
