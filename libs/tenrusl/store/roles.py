"""The group roles of the services: a login role that is a member of one may do what that service does, and no more.

Roles belong to the whole PostgreSQL cluster, so several databases share them. What each may do is granted by migration
0012. See docs/decisions/0019-database-roles.md.
"""

from sqlalchemy import Connection, text

SERVICE_ROLES = {service: f"tenrusl_{service}" for service in ("ingress", "processor", "scheduler", "admin")}


class MissingRolesError(Exception):
    """The roles are not there, and the role that migrates may not make them. The message is what a DBA must run."""


def ensure_roles(connection: Connection) -> None:
    """Makes the roles that are missing. Raises MissingRolesError when the current role may not make roles."""
    found = connection.execute(
        text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"), {"names": list(SERVICE_ROLES.values())}
    )
    missing = sorted(set(SERVICE_ROLES.values()) - set(found.scalars()))
    if not missing:
        return
    may_create = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not connection.scalar(may_create):
        raise MissingRolesError(
            "the database role that migrates may not make roles. Have these made by one that may, then migrate again:\n"
            + "\n".join(f"  CREATE ROLE {name} NOLOGIN;" for name in missing)
        )
    for name in missing:
        connection.execute(text(_CREATE.format(name=name)))


# Another database of the cluster may be migrated at the same time.
_CREATE = """
    DO $$ BEGIN
        CREATE ROLE {name} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END $$
    """
