"""What passes between a job and its workers, and what a worker answers."""

import io
import pickle
import resource
import subprocess
import sys

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.run.worker_server import answer_to, receive, send


def roundtrip(*messages):
    stream = io.BytesIO()
    for message in messages:
        send(stream, message)
    stream.seek(0)
    return stream


def fail_with(error):
    raise error


class Unsendable(Exception):  # noqa: N818
    """An error that cannot be pickled."""

    def __reduce__(self):
        raise TypeError("no")


def raise_unsendable():
    raise Unsendable("DOE")


def answered(function, *arguments):
    return pickle.loads(answer_to(pickle.dumps((function, arguments))))


def test_messages_of_any_length_come_one_by_one():
    messages = [b"", b"a", bytes(100_000)]
    stream = roundtrip(*messages)
    assert [receive(stream) for _ in messages] == messages
    with pytest.raises(EOFError):
        receive(stream)


@pytest.mark.parametrize("kept", [0, 4, 8, 12])
def test_a_message_that_is_cut_short_means_that_the_other_side_is_gone(kept):
    stream = io.BytesIO(roundtrip(b"abcdef").getvalue()[:kept])
    with pytest.raises(EOFError):
        receive(stream)


def test_a_task_is_answered_by_its_value():
    assert answered(divmod, 7, 2) == ((3, 1), None)


def test_an_error_comes_back_with_its_data_and_its_place_but_without_the_text_of_a_cause():
    value, error = answered(fail_with, FileError(Code.TRUNCATED, "{file}", path="/DOE/a.dcm"))
    assert value is None
    assert (type(error), error.code, error.path) == (FileError, Code.TRUNCATED, "/DOE/a.dcm")
    (note,) = error.__notes__
    assert "in fail_with" in note
    assert "DOE" not in note


def test_an_error_that_cannot_be_sent_is_named_by_its_kind():
    value, error = answered(raise_unsendable)
    assert value is None
    assert (type(error), str(error)) == (RuntimeError, "a task raised Unsendable")


def test_lack_of_memory_is_answered_as_such():
    value, error = answered(fail_with, MemoryError())
    assert value is None
    assert type(error) is MemoryError


def test_a_result_that_cannot_be_sent_is_an_error_of_the_task():
    value, error = answered(eval, "lambda: 1")
    assert value is None
    assert isinstance(error, Exception)


PREPARED = """
import os, resource, warnings, logging
from ct2zarr.run.worker_server import prepare_process
prepare_process({megabytes}, {{"ONLY": "this"}})
assert dict(os.environ) == {{"ONLY": "this"}}
warnings.warn("DOE")
logging.getLogger("pydicom").critical("DOE")
print(resource.getrlimit(resource.RLIMIT_DATA)[0])
try:
    bytearray(300_000_000)
    print("allowed")
except MemoryError:
    print("refused")
"""


@pytest.mark.parametrize(
    ("megabytes", "outcome"), [(0, "allowed"), (100, "refused"), (2000, "allowed")]
)
def test_a_worker_is_quiet_has_the_environment_of_the_job_and_keeps_to_its_memory(
    megabytes, outcome
):
    done = subprocess.run(
        [sys.executable, "-c", PREPARED.format(megabytes=megabytes)],
        env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    limit, found = done.stdout.split()
    assert done.stderr == ""
    assert found == outcome
    limited = int(limit) != resource.getrlimit(resource.RLIMIT_DATA)[0]
    assert limited == bool(megabytes)


LIMITED = """
import resource
from ct2zarr.run.worker_server import limit_memory
hard = 3_000_000_000
resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
limit_memory(10_000)
print(resource.getrlimit(resource.RLIMIT_DATA) == (hard, hard))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_worker_asks_for_no_more_memory_than_the_system_allows_the_job():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n", "")
