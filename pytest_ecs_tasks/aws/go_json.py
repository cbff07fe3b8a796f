"""A field of a JSON secret, rendered as the ECS agent does: decoded and printed with ``%v`` by Go.

Source: amazon-ecs-agent, agent/asm/asm.go, GetSecretFromASMWithInput. Checked against Go 1.19.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from pytest_ecs_tasks.core.spec import Sensitive

_MAP = "map[string]interface {}"
# Go's words by Python's, for what stands in place of what was expected.
_SYNTAX = {
    "Expecting value": "looking for beginning of value",
    "Extra data": "after top-level value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why a field could not be had, in the agent's words; ``keys`` are those that the secret has."""

    message: str
    keys: tuple[str, ...] = ()


def render_field(text: Sensitive, key: str) -> Sensitive | FieldProblem:
    """Return one field of a JSON object as the agent puts it into the environment, or why it cannot.

    A problem is returned, not raised: a traceback's frames would hold the secret.
    """
    try:
        value = json.loads(text.reveal(), parse_int=float, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return FieldProblem(_describe_syntax(error))
    except ValueError:
        return FieldProblem("invalid character 'N' looking for beginning of value")
    if value is None:
        value = {}  # Go leaves the map empty
    if not isinstance(value, dict):
        return FieldProblem(f"json: cannot unmarshal {_go_kind(value)} into Go value of type {_MAP}")
    if key not in value:
        return FieldProblem(
            f"retrieved secret from Secrets Manager did not contain json key {key}", tuple(sorted(value))
        )
    return Sensitive(render(value[key]))


def render(value: Any) -> str:
    """Render a decoded JSON value as Go's ``%v`` does; numbers are floats."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return render_number(value)
        case str():
            # A lone surrogate: Go decodes it to U+FFFD.
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return "[" + " ".join(render(item) for item in value) + "]"
        case _:
            return "map[" + " ".join(f"{key}:{render(value[key])}" for key in sorted(value)) + "]"


def render_number(number: float) -> str:
    """Render as Go's ``%v``: shortest digits, with an exponent if that is below -4 or above 5 (``1e+06``).

    Source: golang/go, strconv/ftoa.go, formatDigits.
    """
    if number == 0:
        return "-0" if str(number).startswith("-") else "0"
    sign = "-" if number < 0 else ""
    digits, exponent = _shortest_digits(abs(number))
    if exponent < -4 or exponent > 5:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{exponent:+03d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def _shortest_digits(number: float) -> tuple[str, int]:
    """Split a positive number into its shortest digits and the decimal exponent of the first of them."""
    mantissa, _, exponent_text = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    all_digits = whole + fraction
    digits = all_digits.lstrip("0")
    exponent = len(whole) - 1 - (len(all_digits) - len(digits)) + int(exponent_text or "0")
    return digits.rstrip("0"), exponent


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's JSON takes and Go's does not."""
    raise ValueError(name)


def _go_kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            return "array"


def _describe_syntax(error: json.JSONDecodeError) -> str:
    """Say what is wrong in Go's words, which quote one character; more of the secret is never told."""
    rest = error.doc[error.pos :].lstrip(" \t\r\n")
    if not rest or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    where = next(
        (words for start, words in _SYNTAX.items() if error.msg.startswith(start)), "in string literal"
    )
    quoted = "\\'" if rest[0] == "'" else rest[0]
    return f"invalid character '{quoted}' {where}"
