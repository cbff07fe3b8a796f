"""Tags: TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.core.api.calls import Call, Outcome, parameter_error
from pytest_ecs_tasks.core.api.state import EcsState, Tags

# API, Tag.
MOST_TAGS = 50
LONGEST_KEY = 128
LONGEST_VALUE = 256
RESERVED_PREFIX = "aws:"


def tag_resource(state: EcsState, call: Call) -> Outcome:
    """Answer TagResource."""
    arn = _find_resource(state, call)
    tags = {**dict(state.tags.get(arn, ())), **dict(read_tags(call.request["tags"]))}
    _check_count(tags)
    return Outcome(state.with_tags(arn, tuple(tags.items())))


def untag_resource(state: EcsState, call: Call) -> Outcome:
    """Answer UntagResource."""
    arn = _find_resource(state, call)
    gone = call.request["tagKeys"]
    return Outcome(state.with_tags(arn, tuple(tag for tag in state.tags.get(arn, ()) if tag[0] not in gone)))


def list_tags_for_resource(state: EcsState, call: Call) -> Outcome:
    """Answer ListTagsForResource."""
    return Outcome(state, {"tags": show_tags(state, _find_resource(state, call))})


def read_tags(tags: Sequence[Mapping[str, Any]]) -> Tags:
    """Return the tags of a request as pairs; of two with one key the last counts.

    Raises :class:`ApiError` for more than 50, and for what can be no tag of a user's.
    """
    pairs = {tag.get("key", ""): tag.get("value", "") for tag in tags}
    _check_count(pairs)
    for key, value in pairs.items():
        if not 1 <= len(key) <= LONGEST_KEY or key.lower().startswith(RESERVED_PREFIX):
            words = f"tag key {key!r}: it has 1 to {LONGEST_KEY} characters and does not begin with {RESERVED_PREFIX}"
            raise parameter_error(words)
        if len(value) > LONGEST_VALUE:
            raise parameter_error(f"tag {key!r}: its value has {LONGEST_VALUE} characters at most")
    return tuple(pairs.items())


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise parameter_error(f"{len(tags)} tags are given; a resource has {MOST_TAGS} at most")


def show_tags(state: EcsState, arn: str) -> list[dict[str, str]]:
    """Return a resource's tags as the API shows them."""
    return [{"key": key, "value": value} for key, value in state.tags.get(arn, ())]


def with_request_tags(state: EcsState, arn: str, request: Mapping[str, Any]) -> EcsState:
    """Return the state with a new resource's tags, if the request that makes it has any."""
    tags = read_tags(request.get("tags", ()))
    return state.with_tags(arn, tags) if tags else state


def _find_resource(state: EcsState, call: Call) -> str:
    arn: str = call.request["resourceArn"]
    known = {
        *(cluster.arn for cluster in state.clusters.values()),
        *(provider.arn for provider in state.providers.values()),
        *(record.arn for record in state.tasks.values()),
        *call.services,
        *(each.arn for revisions in state.families.values() for each in revisions.values()),
    }
    if arn not in known:
        raise parameter_error(f"The specified resource is not there: {arn}")
    return arn
