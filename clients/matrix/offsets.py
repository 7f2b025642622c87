"""Committed offsets as the broker gives them to a raw request, beside what a client says."""

import struct
import time

from requests import Answer, array, text
from wire import Connection, expect

OFFSET_FETCH, OFFSET_FETCH_VERSION = 9, 5
DELETE_GROUPS, DELETE_GROUPS_VERSION = 42, 1
# The coordinator loads, or is not known yet: after a start of the broker, for a moment.
LOADING = (14, 15, 16)
LOADING_SECONDS_MAX = 10


def committed(address, group, topic, partitions):
    """Partition -> offset; None where nothing is committed."""
    deadline = time.monotonic() + LOADING_SECONDS_MAX
    while True:
        error, found = committed_once(address, group, topic, partitions)
        if error not in LOADING or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    expect(error == 0, f"committed offsets of {group}: error {error}")
    return found


def committed_once(address, group, topic, partitions):
    wanted = array([text(topic) + array(struct.pack(">i", partition) for partition in partitions)])
    with Connection(address) as connection:
        answer = Answer(connection.request(OFFSET_FETCH, OFFSET_FETCH_VERSION, text(group) + wanted))
    answer.take("i")
    found, failed = {}, 0
    for _ in range(answer.take("i")):
        answer.text()
        for _ in range(answer.take("i")):
            partition, offset, _leader_epoch = answer.take("iqi")
            answer.text()
            error = answer.take("h")
            failed = failed or error
            found[partition] = offset if offset >= 0 else None
    return answer.take("h") or failed, found


def delete_group(address, group):
    """Gives the error code."""
    with Connection(address) as connection:
        answer = Answer(connection.request(DELETE_GROUPS, DELETE_GROUPS_VERSION, array([text(group)])))
    answer.take("ii")
    answer.text()
    return answer.take("h")
