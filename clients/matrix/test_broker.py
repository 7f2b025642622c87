"""Ports of brokers under test: no two brokers may be given the same one."""

import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

import broker

ANOTHER_PROCESS = "import broker, sys; broker.PORTS = [int(sys.argv[1])]; broker.free_port()"


class Ports(unittest.TestCase):
    def test_a_port_is_given_once_while_nothing_listens_on_it(self):
        port = broker.free_port()
        with mock.patch.object(broker, "PORTS", [port]), self.assertRaises(RuntimeError):
            broker.free_port()

    def test_another_process_does_not_get_it_either(self):
        command = [sys.executable, "-B", "-c", ANOTHER_PROCESS, str(broker.free_port())]
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
        self.assertIn("no free port", done.stderr)


if __name__ == "__main__":
    unittest.main()
