"""The one exception that is a person's mistake and not a defect."""


class UserError(Exception):
    """A mistake of the user: one line that says what is wrong, where, and how to mend it.

    The command line prints the line and exits with code 2; every other exception is a defect.
    """
