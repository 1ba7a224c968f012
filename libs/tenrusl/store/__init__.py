"""The only home of SQL. PostgreSQL through SQLAlchemy Core and psycopg 3."""
