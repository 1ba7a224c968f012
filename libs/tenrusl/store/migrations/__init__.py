"""Alembic migrations. They only add before code needs it and remove after it does not."""
