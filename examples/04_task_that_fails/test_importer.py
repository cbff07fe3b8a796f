import pytest


@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
def test_an_importer_without_a_source_says_so_and_takes_the_task_down(ecs_task):
    assert ecs_task.exit_code("importer") == 3
    assert "SOURCE is empty" in ecs_task.logs("importer")

    assert ecs_task.stop_code == "EssentialContainerExited"
    assert ecs_task.stopped_reason == "Essential container in task exited"
    assert ecs_task.exit_code("metrics") == 0  # it handles SIGTERM
