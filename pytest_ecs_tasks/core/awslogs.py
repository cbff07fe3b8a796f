"""The options of the awslogs driver: which there are, what they may say, and where a multi-line event begins.

Sources: [API] LogConfiguration; Docker's documentation of its awslogs driver, which the EC2 agent uses.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from pytest_ecs_tasks.core.go import parse_bool

GROUP, REGION, PREFIX = "awslogs-group", "awslogs-region", "awslogs-stream-prefix"
CREATE_GROUP = "awslogs-create-group"
DATETIME_FORMAT, MULTILINE_PATTERN = "awslogs-datetime-format", "awslogs-multiline-pattern"
MODE, BUFFER_SIZE = "mode", "max-buffer-size"
OPTIONS = (
    GROUP,
    REGION,
    PREFIX,
    CREATE_GROUP,
    DATETIME_FORMAT,
    MULTILINE_PATTERN,
    MODE,
    BUFFER_SIZE,
)  # [API]
REQUIRED = (REGION, GROUP)
MODES = ("blocking", "non-blocking")
BYTES_PER_EVENT = 26  # what CloudWatch counts for an event beside its text
# A longer event is cut here by Docker's driver, though CloudWatch takes 1 MB by now.
# Source: moby/moby, daemon/logger/awslogs/cloudwatchlogs.go, maximumBytesPerEvent.
MAX_BYTES_PER_EVENT = 262_144 - BYTES_PER_EVENT

_SIZE = re.compile(r"\d+(\.\d+)?\s?([kKmMgGtT]i?)?[bB]?")  # go-units: RAMInBytes

# What stands for each directive of strftime. Source: Docker's documentation, awslogs-datetime-format.
_DIRECTIVES: Mapping[str, str] = {
    "%a": "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
    "%A": "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
    "%w": "[0-6]",
    "%d": "(?:0[1-9]|[12][0-9]|3[01])",
    "%b": "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "%B": "(?:January|February|March|April|May|June|July|August|September|October|November|December)",
    "%m": "(?:0[1-9]|1[0-2])",
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%H": "(?:[01][0-9]|2[0-3])",
    "%I": "(?:0[0-9]|1[0-2])",
    "%p": "[AP]M",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%L": r"\.\d{3}",
    "%f": r"\d{6}",
    "%z": r"[+-]\d{4}",
    "%Z": "[A-Z]{1,4}T",
    "%j": "(?:[0-2][0-9]{2}|3[0-5][0-9]|36[0-6])",
}

_POSIX_CLASSES: Mapping[str, str] = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r"\t ",
    "digit": "0-9",
    "lower": "a-z",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
# What Python's expressions have and Go's have not: looking around, conditions, atoms, comments, back references.
_NOT_GO = re.compile(r"\(\?(?:<?[=!]|[(>#]|P[=>])")
_TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\(?P<escaped>.)|(?P<open>\[\^?\]?)|(?P<other>[^\\])", re.DOTALL
)
_CLASS_TOKEN = re.compile(
    r"\[:(?P<posix>[a-z]+):\]|\\(?P<escaped>.)|(?P<close>\])|(?P<other>[^\\])", re.DOTALL
)


class PatternError(ValueError):
    """A text is no regular expression of Go's; the message says why."""


def find_problems(options: Mapping[str, str], *, fargate: bool) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with the values: the option (``None``: all of them together) and the problem."""
    missing = [option for option in REQUIRED if not options.get(option)]
    if missing:
        yield None, f"Log driver awslogs requires options: {', '.join(missing)}"  # [I]
    for option in options:
        if option not in OPTIONS:
            yield option, _unknown(option)
    if parse_bool(options.get(CREATE_GROUP, "false")) is None:
        yield CREATE_GROUP, f"{CREATE_GROUP} is true or false, not '{options[CREATE_GROUP]}'"
    if options.get(MODE, MODES[0]) not in MODES:
        yield MODE, f"mode is {' or '.join(MODES)}, not '{options[MODE]}'"
    if not _SIZE.fullmatch(options.get(BUFFER_SIZE, "1m")):
        yield BUFFER_SIZE, f"{BUFFER_SIZE} is a size such as 25m, not '{options[BUFFER_SIZE]}'"
    if DATETIME_FORMAT in options and MULTILINE_PATTERN in options and not fargate:
        # Docker's text; Fargate's driver takes the format and ignores the pattern. [guide]
        text = f"you cannot configure log opt '{DATETIME_FORMAT}' and '{MULTILINE_PATTERN}' at the same time"
        yield MULTILINE_PATTERN, f"{text}; leave one of them out"
        return
    try:
        event_start(options)
    except PatternError as error:
        option = DATETIME_FORMAT if DATETIME_FORMAT in options else MULTILINE_PATTERN
        yield option, f'awslogs could not parse multiline pattern key "{option}": {error}'  # Docker's words


def _unknown(option: str) -> str:
    text = f"Log driver awslogs disallows options: {option}"  # [I]
    near = difflib.get_close_matches(option, OPTIONS, n=1)
    return f"{text}. " + (f"Did you mean {near[0]}?" if near else f"It takes {', '.join(OPTIONS)}")


def creates_group(options: Mapping[str, str]) -> bool:
    """Tell whether the driver is to make a log group that is missing."""
    return parse_bool(options.get(CREATE_GROUP, "false")) is True


def event_start(options: Mapping[str, str]) -> str | None:
    """Return the expression that the first line of each event holds; ``None``: each line is an event.

    It is one of Python's, for ``re.ASCII``. Raises :class:`PatternError`.
    """
    if DATETIME_FORMAT in options:
        return translate_expression(translate_format(options[DATETIME_FORMAT]))
    if MULTILINE_PATTERN in options:
        return translate_expression(options[MULTILINE_PATTERN])
    return None


def translate_format(text: str) -> str:
    """Return a strftime format as an expression of Go's.

    As in Docker's driver, a directive that it does not know stands for nothing, and what is no directive is part
    of the expression as it is: a bracket has to be escaped.
    """
    return re.sub("%.", lambda found: _DIRECTIVES.get(found.group(), ""), text)


def translate_expression(text: str) -> str:
    r"""Return an expression of Go's as one of Python's, for ``re.ASCII``.

    ``\z``, ``\Q…\E`` and classes such as ``[[:alpha:]]`` are Go's alone; what is Python's alone is refused.
    Raises :class:`PatternError`.
    """
    alien = _NOT_GO.search(re.sub(r"\\.", "", text))
    if alien:
        raise PatternError(f"error parsing regexp: invalid or unsupported Perl syntax: `{alien.group()}`")
    expression = "".join(_translate_tokens(text))
    try:
        re.compile(expression, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"error parsing regexp: {error}") from error
    return expression


def _translate_tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise PatternError("error parsing regexp: trailing backslash at end of expression")
        position = found.end()
        if found["quoted"] is not None:
            yield re.escape(found["quoted"])
        elif found["escaped"] is not None:
            yield _escape(found["escaped"])
        elif found["open"] is not None:
            inner, position = _translate_class(text, position)
            yield found["open"].replace("]", r"\]") + inner
        else:
            yield found["other"]


def _escape(letter: str) -> str:
    if letter in "123456789Z":
        raise PatternError(f"error parsing regexp: invalid escape sequence: `\\{letter}`")
    return r"\Z" if letter == "z" else f"\\{letter}"


def _translate_class(text: str, position: int) -> tuple[str, int]:
    """Return the rest of a character class, and where it ends."""
    parts: list[str] = []
    while found := _CLASS_TOKEN.match(text, position):
        position = found.end()
        if found["close"] is not None:
            return "".join(parts) + "]", position
        if found["posix"] is not None:
            if found["posix"] not in _POSIX_CLASSES:
                raise PatternError(f"error parsing regexp: invalid character class range: `{found.group()}`")
            parts.append(_POSIX_CLASSES[found["posix"]])
        elif found["escaped"] is not None:
            parts.append(f"\\{found['escaped']}")
        else:
            # Python warns of what may become set operations one day.
            parts.append(f"\\{found['other']}" if found["other"] in "[&|~" else found["other"])
    raise PatternError("error parsing regexp: missing closing ]")
