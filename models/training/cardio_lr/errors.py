"""The two ways a run can fail for a reason the user can act on, each with its exit code."""


class UsageProblem(Exception):
    """The command line cannot be followed. Exit code 2."""

    exit_code = 2


class DataProblem(Exception):
    """The data are missing, altered, or cannot support the model. Exit code 3."""

    exit_code = 3
