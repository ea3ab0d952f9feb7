"""What may go wrong, by what the consumer does about it."""


class RefusedError(Exception):
    """A record can never be stored. It is kept in `rejected`; a retry would not help."""


class UnavailableError(Exception):
    """A store does not take anything at the moment. The batch waits for it."""


class StatementError(UnavailableError):
    """PostgreSQL refuses a statement for a reason that waiting does not mend, as for a missing right."""


class TokenRequiredError(UnavailableError):
    """PostgreSQL does not take a password, however right: RDS asks members of rds_iam for a token."""


class DeadlineError(Exception):
    """Processing takes too long: the code cannot survive a record. Lambda tries the batch again, in halves."""


class MigrationError(Exception):
    """The schema and the code do not fit together."""
