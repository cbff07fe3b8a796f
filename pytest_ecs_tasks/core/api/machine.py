"""Which function answers which operation: the table, and the one way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_ecs_tasks.core.api import (
    account_settings,
    attributes,
    capacity_providers,
    clusters,
    execute_command,
    instances,
    run_task,
    services,
    tags,
    task_definitions,
    tasks,
)
from pytest_ecs_tasks.core.api.calls import ApiError, Call, Operation, Outcome
from pytest_ecs_tasks.core.api.members import check_members
from pytest_ecs_tasks.core.api.state import EcsState

OPERATIONS: Mapping[str, Operation] = {
    "CreateCluster": clusters.create_cluster,
    "DeleteCluster": clusters.delete_cluster,
    "DescribeClusters": clusters.describe_clusters,
    "ListClusters": clusters.list_clusters,
    "PutClusterCapacityProviders": clusters.put_capacity_providers,
    "UpdateCluster": clusters.update_cluster,
    "UpdateClusterSettings": clusters.update_cluster,
    "DeleteTaskDefinitions": task_definitions.delete_task_definitions,
    "DeregisterTaskDefinition": task_definitions.deregister_task_definition,
    "DescribeTaskDefinition": task_definitions.describe_task_definition,
    "ListTaskDefinitionFamilies": task_definitions.list_task_definition_families,
    "ListTaskDefinitions": task_definitions.list_task_definitions,
    "RegisterTaskDefinition": task_definitions.register_task_definition,
    "ExecuteCommand": execute_command.execute_command,
    "RunTask": run_task.run_task,
    "StartTask": run_task.start_task,
    "DescribeTasks": tasks.describe_tasks,
    "GetTaskProtection": tasks.get_task_protection,
    "ListTasks": tasks.list_tasks,
    "StopTask": tasks.stop_task,
    "UpdateTaskProtection": tasks.update_task_protection,
    "CreateService": services.create_service,
    "DeleteService": services.delete_service,
    "DescribeServices": services.describe_services,
    "ListServices": services.list_services,
    "ListServicesByNamespace": services.list_services_by_namespace,
    "UpdateService": services.update_service,
    "DeleteAccountSetting": account_settings.delete_account_setting,
    "ListAccountSettings": account_settings.list_account_settings,
    "PutAccountSetting": account_settings.put_account_setting,
    "PutAccountSettingDefault": account_settings.put_account_setting_default,
    "DeleteAttributes": attributes.delete_attributes,
    "ListAttributes": attributes.list_attributes,
    "PutAttributes": attributes.put_attributes,
    "CreateCapacityProvider": capacity_providers.create_capacity_provider,
    "DeleteCapacityProvider": capacity_providers.delete_capacity_provider,
    "DescribeCapacityProviders": capacity_providers.describe_capacity_providers,
    "UpdateCapacityProvider": capacity_providers.update_capacity_provider,
    "DescribeContainerInstances": instances.describe_container_instances,
    "ListContainerInstances": instances.list_container_instances,
    "ListTagsForResource": tags.list_tags_for_resource,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
}


def answer(state: EcsState, call: Call) -> Outcome:
    """Answer one request. Raises :class:`ApiError` for one that ECS, or this emulation of it, refuses."""
    operation = OPERATIONS.get(call.operation)
    if operation is None:
        words = (
            f"pytest-ecs-tasks does not answer {call.operation}; it answers {', '.join(sorted(OPERATIONS))}"
        )
        raise ApiError("NotImplemented", words, status=501)
    checked = check_members(call.operation, call.request)
    return operation(state, replace(call, request=checked))
