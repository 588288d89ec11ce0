"""What ends a command early: a message for the user, what to do, and the exit code."""

FOUND = 1
WRONG_USE = 2
INTERNAL = 70
INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141


class Failure(Exception):
    """A problem that a command found. `message` and `help` are for people, lower case, and hold no secret.

    The message is empty where what is wrong has been told already.
    """

    code = FOUND

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help


class WrongUse(Failure):
    """The command was asked for something that cannot be: a missing file, an unknown flow, a bad flag."""

    code = WRONG_USE


class Terminated(Exception):
    """The process was asked to end (SIGTERM), and what it was doing has been wound up."""
