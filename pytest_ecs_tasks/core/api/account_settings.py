"""Account settings: PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings.

They are kept and told. Of them only ``containerInsights`` has an effect: on clusters that are created later.

Source: API, PutAccountSetting; developer guide, ecs-account-settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_ecs_tasks.core.api.calls import Call, Outcome, parameter_error
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import EcsState

_SWITCH = ("enabled", "disabled", "on", "off")
# What each can be; what it is before anybody has said anything comes first.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "awsvpcTrunking": ("disabled", *_SWITCH),
    "containerInsights": ("disabled", "enhanced", *_SWITCH),
    "containerInstanceLongArnFormat": _SWITCH,
    "defaultLogDriverMode": ("non-blocking", "blocking"),
    "fargateEventWindows": ("disabled", *_SWITCH),
    "fargateFIPSMode": ("disabled", *_SWITCH),
    "fargateTaskRetirementWaitPeriod": ("7", "0", "14"),
    "guardDutyActivate": ("off", "on"),
    "serviceLongArnFormat": _SWITCH,
    "tagResourceAuthorization": ("on", "off"),
    "taskLongArnFormat": _SWITCH,
}
_MANAGED_BY_AWS = "guardDutyActivate"
_DEFAULT = ""  # the principal of an account's default


def put_account_setting(state: EcsState, call: Call) -> Outcome:
    """Answer PutAccountSetting, for the principal that is named or the account's root."""
    return _put(state, call, call.request.get("principalArn") or root_arn(state))


def put_account_setting_default(state: EcsState, call: Call) -> Outcome:
    """Answer PutAccountSettingDefault."""
    return _put(state, call, _DEFAULT)


def delete_account_setting(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteAccountSetting; one that has not been put is no error."""
    name = _checked_name(call.request["name"])
    principal = call.request.get("principalArn") or root_arn(state)
    value = state.settings.get((principal, name), setting(state, name))
    kept = {key: other for key, other in state.settings.items() if key != (principal, name)}
    return Outcome(replace(state, settings=kept), {"setting": _show(state, principal, name, value)})


def list_account_settings(state: EcsState, call: Call) -> Outcome:
    """Answer ListAccountSettings: what has been put, or with ``effectiveSettings`` what holds."""
    request = call.request
    principal = request.get("principalArn") or root_arn(state)
    if "name" in request:
        _checked_name(request["name"])
    if request.get("effectiveSettings"):
        known = {name: state.settings.get((principal, name), setting(state, name)) for name in SETTINGS}
    else:
        known = {name: value for (who, name), value in state.settings.items() if who == principal}
    names = [
        name
        for name in sorted(known)
        if request.get("name") in (None, name) and request.get("value") in (None, known[name])
    ]
    shown, more = page(names, request, str)
    return Outcome(
        state, {"settings": [_show(state, principal, name, known[name]) for name in shown], **more}
    )


def setting(state: EcsState, name: str) -> str:
    """Return what holds for the account."""
    return state.settings.get((_DEFAULT, name), SETTINGS[name][0])


def root_arn(state: EcsState) -> str:
    """Return the ARN of the account's root, who every caller is taken for."""
    return f"arn:{state.partition}:iam::{state.account_id}:root"


def _put(state: EcsState, call: Call, principal: str) -> Outcome:
    name, value = _checked_name(call.request["name"]), call.request["value"]
    if value not in SETTINGS[name]:
        raise parameter_error(f"{name} is {value}; it is one of {', '.join(dict.fromkeys(SETTINGS[name]))}")
    if name == _MANAGED_BY_AWS:
        raise parameter_error(f"{name} is managed by AWS and cannot be set")
    state = replace(state, settings={**state.settings, (principal, name): value})
    return Outcome(state, {"setting": _show(state, principal, name, value)})


def _checked_name(name: str) -> str:
    if name not in SETTINGS:
        raise parameter_error(f"name is {name}; it is one of {', '.join(SETTINGS)}")
    return name


def _show(state: EcsState, principal: str, name: str, value: str) -> dict[str, object]:
    return {
        "name": name,
        "value": value,
        "principalArn": principal or root_arn(state),
        "type": "aws_managed" if name == _MANAGED_BY_AWS else "user",
    }
