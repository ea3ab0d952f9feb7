"""Holds everything that we assume about MiniStack's settings and insides, so that an upgrade has one module to mend.

Each assumption has a test of its own in `tests/tools/localcloud/test_ministack_adapter.py`.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.home import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.localcloud.completions.call import Answer, Handler
    from tools.localcloud.home import Files
    from tools.localcloud.saver import Saver

HOST: Final = "127.0.0.1"
REGION: Final = "ap-northeast-1"
ACCOUNT: Final = "000000000000"
ROOT: Final = "test"
"""The access key of the account's root user, whose secret MiniStack does not check."""
LONGEST_RUN: Final = 365 * 24 * 60 * 60
"""Seconds for which a function's credentials are valid: for as long as its process may run."""
RESET: Final = ("POST", "/_ministack/reset")
"""Deletes everything that MiniStack has, its saved state included."""
NO_CHANGE: Final = re.compile(
    r"\w[\w-]*:((Describe|Get|List|BatchGet|Lookup|Filter|Simulate)\w*|StartQuery|StopQuery)"
    r"|kinesis:PutRecords?|sqs:((Send|Receive|Delete)Message|ChangeMessageVisibility)\w*|sns:Publish|lambda:Invoke\w*"
    r"|logs:PutLogEvents|cloudwatch:PutMetricData|sts:\w+|kms:(Decrypt|Encrypt|ReEncrypt|GenerateDataKey)\w*"
)
"""The actions of IAM by which no resource changes that Pulumi's state describes."""


def settings(port: int, state: Path, scratch: Path) -> dict[str, str]:
    """Return MiniStack's settings, which it reads from its environment.

    It then listens on the loopback interface only, checks the policies of all but the account's root, and has its
    state in the folder `state`.
    """
    return {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "REDIS_HOST": HOST,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(scratch),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "AUTH": "true",
    }


def run(port: int, files: Files) -> None:
    """Run MiniStack behind a gate in this process until a signal ends it, with the root's key of a home."""
    from ministack import app  # noqa: PLC0415 - it reads its settings when it is imported

    from tools.localcloud import completions, control  # noqa: PLC0415 - only the emulator's process needs them
    from tools.localcloud.completions import kinesis, runtime  # noqa: PLC0415 - as above
    from tools.localcloud.completions.gauges import Gauges  # noqa: PLC0415 - as above
    from tools.localcloud.completions.mappings import Mappings  # noqa: PLC0415 - as above
    from tools.localcloud.gate import Gate  # noqa: PLC0415 - as above
    from tools.localcloud.saver import Journal, Saver  # noqa: PLC0415 - as above

    root = files.read_key()
    hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
    app.app = Gate(control.with_servers(app.app), hosts, root, ROOT, _session)
    _give_functions_random_secrets()
    _know_sessions_by_their_role()
    _know_root(root)
    completions.install(app)
    runtime.install()
    load, save_all = app._load_persisted_state, app.save_all  # noqa: SLF001 - they have no other names

    def save() -> bool:
        return _save_whole(files, lambda: save_all(app._build_persistence_save_dict()))  # noqa: SLF001

    journal = Journal(files.journal)
    saver = Saver(files.unsaved, journal, save)
    kinesis.note_accepted(saver.append)
    app.SERVICE_HANDLERS |= {name: _noted(name, handler, saver) for name, handler in app.SERVICE_HANDLERS.items()}
    running, gauges = Mappings(), Gauges()
    running.start()
    gauges.start()

    def load_all() -> None:
        load()
        kinesis.accept_again(journal.entries())
        saver.start()

    def save_last(_services: Any) -> None:
        running.stop()
        gauges.stop()
        saver.stop()
        saver.save_last()

    app._load_persisted_state, app.save_all = load_all, save_last  # noqa: SLF001
    sys.argv = ["ministack"]
    try:
        app.main()
    finally:
        control.stop_servers()


def _noted(service: str, handler: Handler, saver: Saver) -> Handler:
    """Return a handler of a service's requests that tells the saver what they do."""
    from ministack.core.iam_actions import extract_iam_action  # noqa: PLC0415 - as in `run`

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        saver.touch()
        action = extract_iam_action(service, method, path, headers, body, query)
        if NO_CHANGE.fullmatch(action) if action else method in ("GET", "HEAD"):
            return await handler(method, path, headers, body, query)
        with saver.change():
            return await handler(method, path, headers, body, query)

    return handle


def _save_whole(files: Files, save: Callable[[], None]) -> bool:
    """Save the state of all services in a new folder, and put it in the place of the last one; or keep the last one.

    MiniStack saves a file a service, and only logs it if one cannot be written, as on a full disk.

    Returns:
        Whether the state is saved.
    """
    from ministack.core import persistence  # noqa: PLC0415 - as in `run`
    from ministack.services import lambda_svc  # noqa: PLC0415

    state, fresh, last = files.emulator, files.emulator_fresh, files.emulator_last
    code = Path(lambda_svc.CODE_BLOB_DIR)
    faults = _Faults()
    persistence.logger.addHandler(faults)
    try:
        for left in (fresh, last):
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(state, fresh, copy_function=os.link)  # what MiniStack has written there while it ran
        persistence.STATE_DIR, lambda_svc.CODE_BLOB_DIR = str(fresh), str(fresh / code.relative_to(state))
        save()
        if not faults.found:
            state.rename(last)
            fresh.rename(state)
    except OSError:
        persistence.logger.exception("the state is not saved")
    finally:
        persistence.STATE_DIR, lambda_svc.CODE_BLOB_DIR = str(state), str(code)
        persistence.logger.removeHandler(faults)
        for left in (fresh, last):
            shutil.rmtree(left, ignore_errors=True)
    return not faults.found


class _Faults(logging.Handler):
    """Remembers that an error was logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found = False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the method of a handler
        self.found = True


def _session(identity: str) -> AccessKey | None:
    """Return the credentials that MiniStack has issued to a role under an access key; None if there are none."""
    from ministack.services import sts  # noqa: PLC0415 - as above

    issued = sts._sessions.get(identity)  # noqa: SLF001 - its API does not give the secret
    if issued is None or sts._session_expired(issued):  # noqa: SLF001
        return None
    return AccessKey(identity, issued["SecretAccessKey"], issued["SessionToken"])


def _give_functions_random_secrets() -> None:
    """Have functions sign with random secrets. MiniStack's own are hashes of the function's and the role's names."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - as above
    from ministack.services import lambda_svc, sts  # noqa: PLC0415

    issue, salt = lambda_runtime.execution_credentials, secrets.token_bytes()

    def credentials(function: dict[str, Any]) -> dict[str, str]:
        issued: dict[str, str] = issue(function)
        identity = issued["AWS_ACCESS_KEY_ID"]
        secret = hmac.digest(salt, identity.encode(), "sha256").hex()
        # It takes a token for a database only of a session that ends.
        sts._sessions[identity] |= {"SecretAccessKey": secret, "Expiration": time.time() + LONGEST_RUN}  # noqa: SLF001
        return issued | {"AWS_SECRET_ACCESS_KEY": secret}

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials


def _know_sessions_by_their_role() -> None:
    """Have the condition aws:PrincipalArn see a session's role, as on AWS. MiniStack's sees the session.

    IAM User Guide, "AWS global condition context keys".
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415 - as above
    from ministack.services import iam  # noqa: PLC0415

    resolve, role_name = iam_evaluator._resolve_condition_key, iam_evaluator._role_name_from_assumed_arn  # noqa: SLF001

    def resolved(key: str, request: Any) -> Any:
        if key.lower() == "aws:principalarn" and request.principal_type == "AssumedRole":
            name = role_name(request.principal_arn)
            role = iam._roles.get_scoped(request.principal_account, None, name)  # noqa: SLF001
            return role["Arn"] if role else request.principal_arn
        return resolve(key, request)

    iam_evaluator._resolve_condition_key = resolved  # noqa: SLF001


def _know_root(root: AccessKey) -> None:
    """Let tokens for databases be signed with the root's key, and not with MiniStack's, which is no secret."""
    from ministack.core import iam_evaluator, rds_iam  # noqa: PLC0415 - as above

    resolve = rds_iam.resolve_credential

    def resolved(identity: str, account: str, token: str) -> Any:
        if identity == root.identity:
            return replace(resolve(ROOT, account, token), secret_access_key=root.secret)
        if iam_evaluator.is_root_access_key(identity):
            return iam_evaluator._unknown_access_key()  # noqa: SLF001 - what it returns for such a key
        return resolve(identity, account, token)

    rds_iam.resolve_credential = resolved
