"""How pages are read, and what counts as the same output."""

from __future__ import annotations

import doc_pages
from doc_pages import FileStep, RunStep

PAGE = """\
Text.

<!-- file: shown.py -->
```python
x = 1
```

<!-- file: hidden.json
{"a": 1}
-->
<!-- run: exit 1 -->
```console
$ pytest -q
1 failed
```

<!-- run
$ pytest -q other.py
-->
"""


def test_blocks_and_comments_become_steps_in_order():
    assert doc_pages.read_steps(PAGE) == [
        FileStep("shown.py", "x = 1\n"),
        FileStep("hidden.json", '{"a": 1}\n'),
        RunStep("pytest -q", 1, "1 failed\n"),
        RunStep("pytest -q other.py", 0, None),
    ]


def test_times_addresses_and_rulers_may_differ():
    expected = "=== 1 passed in 1.02s ===\n12:00:01.120 stdout  at 10.0.0.2:80\n"
    actual = "======= 1 passed in 0.9s =======\n07:59:59.001 stdout  at 172.18.0.3:8080\n"

    assert doc_pages.explain_difference(expected, actual) is None


def test_dots_stand_for_lines_and_for_a_part_of_a_line():
    assert doc_pages.explain_difference("a\n...\nd ... f\n", "a\nb\nc\nd e f\n") is None
    assert doc_pages.explain_difference("a\n...\n", "a\nb\n") is None


def test_a_line_that_is_missing_or_wrong_is_told():
    assert doc_pages.explain_difference("a\nb\n", "a\nc\n") == "b"
    assert doc_pages.explain_difference("a\n...\nb\n", "a\nc\n") == "b"


def test_a_line_too_many_is_told():
    assert doc_pages.explain_difference("a\n", "a\nb\n") == "(nothing more, but there is: b)"
