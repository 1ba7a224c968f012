"""Every statement about rejected webhooks finds its rows by an index."""

import pytest
from sqlalchemy import text

from tenrusl.store import rejected
from tenrusl.store.engine import Engine, transaction

STATEMENTS = {
    "_TAKEN": ({"provider": "'mock'"}, "rejected_webhooks_provider_idx"),
    "_LIST": (
        {"provider": "'mock'", "before": "gen_random_uuid()", "since": "now() - interval '1 day'", "limit": "50"},
        "rejected_webhooks_provider_idx",
    ),
    "_OLDEST": (
        {
            "provider": "'mock'",
            "after": "gen_random_uuid()",
            "since": "now() - interval '1 day'",
            "limit": "50",
            "max_bytes": "1000",
        },
        "rejected_webhooks_provider_idx",
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_it_is_found_by_its_index(engine: Engine, name: str) -> None:
    values, index = STATEMENTS[name]
    async with transaction(engine) as connection:
        found = await connection.execute(text("EXPLAIN " + getattr(rejected, name) % values))
        plan = "\n".join(row[0] for row in found)
    assert index in plan
    assert "Seq Scan" not in plan
