"""Runs getmail without a race of its own.

getmail 6.18 forks a child for each delivery and learns of its end by a SIGCHLD
handler that it installs after the fork and a condition that it waits for after
that: now and then, on a busy machine, the child is quicker, and getmail waits in
vain and gives up. Here it waits for the child itself. How it speaks POP3 is not
touched.
"""

import os
import runpy
import sys

from getmailcore import baseclasses


def wait(self, pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


baseclasses.ForkingBase._prepare_child = lambda self: None
baseclasses.ForkingBase._wait_for_child = wait
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
