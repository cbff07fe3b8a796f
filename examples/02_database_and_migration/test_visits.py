import urllib.request

import pytest


@pytest.mark.ecs_taskdef("taskdef.json")
def test_the_api_counts_visits_in_a_migrated_database(ecs_task):
    assert ecs_task.exit_code("migrate") == 0

    for visit in (1, 2, 3):
        with urllib.request.urlopen(ecs_task.url("api"), timeout=60) as response:
            assert response.read() == f"visit {visit}, schema 7\n".encode()

    assert "schema is now 7" in ecs_task.logs("migrate")
