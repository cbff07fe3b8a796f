import urllib.request

import pytest


@pytest.mark.ecs_taskdef("taskdef.json")
def test_the_start_page_is_served(ecs_task, ecs_aws):
    with urllib.request.urlopen(ecs_task.url("web"), timeout=60) as response:
        assert response.status == 200

    assert ecs_task.health_status == "HEALTHY"
    line = ecs_task.wait_for_log("GET / HTTP/1.1", container="web")
    assert line.stream == "stdout"
