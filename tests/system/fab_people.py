"""Run in the environment of a stack: make roles and accounts in the FAB auth manager, as an administrator does."""

from __future__ import annotations

import json
import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

READ = ("Website", "DAG Runs", "Task Instances", "XComs", "Task Logs")
#: What a role has beside the rights of single DAGs, which are those of the DAG's ``access_control``.
BESIDE = {
    "reader": [("can_read", each) for each in READ],
    "reader_without_logs": [("can_read", each) for each in READ if each != "Task Logs"],
    "editor": [*(("can_read", each) for each in READ), ("can_edit", "DAG Runs")],
}


def main() -> None:
    with get_application_builder() as builder:
        manager = builder.sm
        for whose in ("ours", "others"):
            for kind, rights in BESIDE.items():
                role = manager.add_role(f"{whose}_{kind}")
                for right in rights:
                    manager.add_permission_to_role(role, manager.create_permission(*right))
        manager.sync_roles()
        for name, password, role in json.load(sys.stdin):
            made = manager.add_user(
                name, name, "of the tests", f"{name}@example.com", manager.find_role(role), password
            )
            if not made:
                sys.exit(f"no account of {name}")


if __name__ == "__main__":
    main()
