"""The gRPC resource provider for Pulumi's package `aws`: it runs the specs of `resources/` on the emulator."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import threading
import traceback
from collections import OrderedDict
from concurrent import futures
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.provider import functions
from tools.localcloud.provider.connection import ACTIVE, IDLE, Clients, Session, refusals
from tools.localcloud.provider.property_values import SECRET, SIGNATURE, UNKNOWN, Props, dump, load, unknown_in
from tools.localcloud.resources import SPECS
from tools.localcloud.schema import diff
from tools.localcloud.schema.lifecycle import HalfDoneError, Operation
from tools.localcloud.schema.spec import DEFAULTS, Spec, words
from tools.localcloud.schema.validators import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)

EMULATOR_STOPPED: Final = "the local cloud's emulator has stopped; run the command again: it starts a new one"
CONNECTION_LOST: Final = "the connection to the local cloud's provider was idle for too long; run the command again"
SESSIONS: Final = 256  # engines remembered at once; each connection is one
THREADS: Final = 32  # Pulumi runs up to four operations per processor at once, for several engines
NAME_DIGITS: Final = 7  # of an automatic name, as in Pulumi's bridge
DIFF: Final = provider_pb2.DiffResponse


def answered(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what goes wrong in a call into one line for the user, and log the rest."""

    @wraps(method)
    def call(self: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except LocalCloudError as error:
            text = str(error)
        except HalfDoneError as error:
            text = self.explain(error.reason, request, context)
            _init_failed(request, context, error, text)
        except Exception as error:  # noqa: BLE001 - the border of the process: nothing may get past it
            text = self.explain(error, request, context)
        context.set_code(grpc.StatusCode.UNKNOWN)
        context.set_details(text)
        return None

    return call


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """What the engine calls. State is kept per connection, never globally."""

    def __init__(self, clients: Clients, alive: Callable[[], bool], note: Callable[[str, str], None]) -> None:
        self.clients = clients
        self.alive = alive
        self.note = note
        self.version = importlib.metadata.version("pulumi-aws")
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    # The connection.

    def Handshake(self, _request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        with self._lock:  # a new engine may come from the port of an old one
            self._sessions[context.peer()] = Session(self.clients)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self.version)

    def Attach(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def session(self, context: grpc.ServicerContext, *, configured: bool = True) -> Session:
        if not self.alive():
            raise LocalCloudError(EMULATOR_STOPPED)
        with self._lock:
            session = self._sessions.setdefault(context.peer(), Session(self.clients))
        if configured and not session.configured:
            raise LocalCloudError(CONNECTION_LOST)
        return session

    # The configuration.

    @answered
    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        settings, _secrets = load(request.news)
        self.session(context, configured=False)
        known = {key: value for key, value in settings.items() if value is not UNKNOWN}
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(refusals(known)))

    @answered
    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.session(context, configured=False)
        olds, _ = load(request.old_inputs or request.olds)
        news, _ = load(request.news)
        keys = sorted(key for key in (ACTIVE | IDLE) - {"version"} if olds.get(key) != news.get(key))
        return DIFF(changes=DIFF.DIFF_SOME if keys else DIFF.DIFF_NONE, diffs=keys)

    @answered
    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        settings, _secrets = load(request.args)
        refused = refusals(settings)
        if refused:
            raise LocalCloudError("; ".join(reason for _key, reason in refused))
        self.session(context, configured=False).configure(settings)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # Resources.

    @answered
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        session, spec = self.session(context), _spec(request.urn)
        news, secrets = load(request.news)
        olds, _ = load(request.olds)
        # A failure does not name its property to the engine, which would show the value.
        failures = [
            ("", f"the local cloud's {spec.kind} does not know the input {key!r}")
            for key in sorted(news.keys() - spec.inputs - {DEFAULTS, "tagsAll"})
        ]
        failures += [("", f"{key} is required") for key in sorted(spec.required) if news.get(key) is None]
        known = Known(news)
        failures += [("", reason) for check in spec.checks if (reason := check(known))]
        for key in words(spec.documents) & news.keys():  # the SDK lets a policy be written as a dictionary
            if isinstance(news[key], dict):
                news[key] = UNKNOWN if unknown_in(news[key]) else json.dumps(news[key])
        session.hidden[request.urn] = {k: news.pop(k) for k in words(spec.write_only) if k in news}
        if spec.name and news.get(spec.name) is None and not any(news.get(key) for key in spec.prefixes):
            kept = olds.get(spec.name) if spec.name in olds.get(DEFAULTS, ()) else None
            news[spec.name] = kept or _automatic_name(spec, request, news)
            news[DEFAULTS] = [spec.name]
            if len(news[spec.name]) > spec.limit:  # as Pulumi's bridge, which does not shorten it either
                named = f"the automatic name {news[spec.name]}"
                failures.append(("", f"{named} is too long: AWS takes {spec.limit} characters"))
        if "tags" in spec.inputs:
            tags = news.get("tags") or {}
            news["tagsAll"] = UNKNOWN if tags is UNKNOWN else {**session.default_tags, **tags}
            secrets |= {"tagsAll"} if "tags" in secrets else set()
        return provider_pb2.CheckResponse(inputs=dump(news, secrets), failures=_failures(failures))

    @answered
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.session(context)
        spec = _spec(request.urn)
        news, _ = load(request.news)
        olds, _ = load(request.olds)
        found = diff.changes(spec, olds, news)
        if not found:
            return DIFF(changes=DIFF.DIFF_NONE)
        replaces = sorted({key for key, _ in found.values() if spec.replaces(key, olds.get(key), news.get(key))})
        kinds = provider_pb2.PropertyDiff.Kind
        detail = {
            path: provider_pb2.PropertyDiff(kind=kinds.Value(f"{kind}_REPLACE" if key in replaces else kind))
            for path, (key, kind) in found.items()
        }
        chosen = spec.name in news and spec.name not in news.get(DEFAULTS, ()) and spec.name not in replaces
        return DIFF(
            changes=DIFF.DIFF_SOME,
            replaces=replaces,
            diffs=sorted({path.split(".")[0].split("[")[0] for path in found}),
            detailedDiff=detail,
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and (spec.unique or chosen),
        )

    @answered
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        given, secrets = load(request.properties)
        op = self._operation(request, context, given=given, state={})
        if request.preview:
            return provider_pb2.CreateResponse(properties=_dump(op.spec, op.preview(), secrets))
        try:
            identity, state = op.create()
        finally:
            if op.id:  # even if it is not all that was wanted
                self.note(request.urn, op.id)
        return provider_pb2.CreateResponse(id=identity, properties=_dump(op.spec, state, secrets))

    @answered
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        given, secrets = load(request.news)
        olds, _ = load(request.olds)
        op = self._operation(request, context, given=given, state=olds, identity=request.id)
        changed = frozenset(key for key, _kind in diff.changes(op.spec, olds, given).values())
        state = op.preview(changed) if request.preview else op.update(changed)
        return provider_pb2.UpdateResponse(properties=_dump(op.spec, state, secrets))

    @answered
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        state, _ = load(request.properties)
        self._operation(request, context, given=state, state=state, identity=request.id).delete()
        return empty_pb2.Empty()

    @answered
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        olds, secrets = load(request.properties)
        inputs, more = load(request.inputs)
        op = self._operation(request, context, given=inputs, state=olds, identity=request.id)
        if op.spec.missing and not olds:
            raise LocalCloudError(f"{op.spec.kind} cannot be imported: {op.spec.missing}")
        state = op.observe()
        if state is None:
            return provider_pb2.ReadResponse()
        fresh = _refreshed(op.spec, inputs, olds, state) if inputs else _imported(op.spec, state)
        secrets |= more
        return provider_pb2.ReadResponse(
            id=op.id, properties=_dump(op.spec, state, secrets), inputs=_dump(op.spec, fresh, secrets)
        )

    # Functions.

    @answered
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        session = self.session(context)
        arguments, _ = load(request.args)
        result, secrets = functions.invoke(session, request.tok, arguments)
        return provider_pb2.InvokeResponse(**{"return": dump(result, secrets)})

    def explain(self, error: Exception, request: Any, context: grpc.ServicerContext) -> str:
        """One line: AWS's code and message, or what else happened; never a secret, not in the log either."""
        if not self.alive():
            return EMULATOR_STOPPED
        match error:
            case ClientError():
                told = error.response.get("Error", {})
                text = f"{error.operation_name}: {told.get('Code', 'unknown error')}: {told.get('Message', '')}"
            case BotoCoreError():
                text = str(error)
            case _:
                text = f"the local cloud's provider failed ({type(error).__name__}: {error}); its log has more"
        subject = getattr(request, "urn", "") or getattr(request, "tok", "")
        hidden = self.session(context, configured=False).hidden.get(subject, {})
        trace = "".join(traceback.format_exception(error))
        log.warning("%s: %s", subject, _without_secrets(trace, request, hidden))
        return _without_secrets(" ".join(text.split()), request, hidden)

    def _operation(
        self, request: Any, context: grpc.ServicerContext, *, given: Props, state: Props, identity: str = ""
    ) -> Operation:
        session = self.session(context)
        hidden = session.hidden.get(request.urn, {})
        return Operation(_spec(request.urn), session, given=given, state=state, identity=identity, hidden=hidden)


def serve(clients: Clients, alive: Callable[[], bool], note: Callable[[str, str], None]) -> tuple[grpc.Server, int]:
    """Serve the provider on a free port of the loopback interface; answers the server and its port.

    `alive` says whether the emulator runs, `note` hears the URN and id of whatever is made.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(clients, alive, note), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _spec(urn: str) -> Spec:
    token = urn.split("::")[2].rsplit("$", 1)[-1]
    try:
        return SPECS[token]
    except KeyError:
        raise LocalCloudError(
            f"the local cloud does not have the resource type {token}; if it was added just now: ./inv local-down"
        ) from None


def _automatic_name(spec: Spec, request: Any, news: Props) -> str:
    proposed = request.autonaming.proposed_name
    stem = request.urn.rsplit("::", 1)[-1]
    digits = hashlib.sha256(request.randomSeed).hexdigest()[:NAME_DIGITS]
    name = proposed or f"{stem}{spec.separator}{digits}"
    name = name.lower() if spec.lower else name
    name = name if name.startswith(spec.starts) else spec.starts + name
    return f"{name}.fifo" if news.get("fifoQueue") is True or news.get("fifoTopic") is True else name


def _dump(spec: Spec, values: Props, secrets: frozenset[str]) -> Any:
    if "tags" in secrets:
        secrets |= {"tagsAll"}
    return dump(values, secrets | words(spec.secret))


def _refreshed(spec: Spec, inputs: Props, olds: Props, state: Props) -> Props:
    """The inputs after a refresh: what drifted has the value that it has now."""
    fresh = dict(inputs)
    for key in inputs.keys() & (spec.known | {"tagsAll"}):
        if not diff.same(spec, key, olds.get(key), state.get(key)):
            fresh[key] = state.get(key)
    return fresh


def _imported(spec: Spec, state: Props) -> Props:
    """Inputs that would have made what was found."""
    return {
        key: state[key]
        for key in spec.inputs & state.keys() - {"region"}
        if not diff.same(spec, key, state[key], spec.defaults.get(key))
    } | ({"tagsAll": state["tagsAll"]} if "tagsAll" in state else {})


def _failures(found: list[tuple[str, str]]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in found]


def _init_failed(request: Any, context: grpc.ServicerContext, error: HalfDoneError, text: str) -> None:
    """Tell the engine that the resource exists though it is not as wanted, so that it is stored."""
    given = request.properties if hasattr(request, "properties") else request.news
    _values, secrets = load(given)
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.identity,
            properties=_dump(_spec(request.urn), error.state, secrets),
            inputs=given,
            reasons=[text],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


def _without_secrets(text: str, request: Any, hidden: Props) -> str:
    found = set(_texts(dump(hidden).fields.values(), inside=True))
    for name in ("properties", "news", "olds", "args"):
        if struct := getattr(request, name, None):
            found |= set(_texts(struct.fields.values(), inside=False))
    for word in sorted(found, key=len, reverse=True):
        text = text.replace(word, "[secret]")
    return text


def _texts(values: Iterable[Any], *, inside: bool) -> Iterator[str]:
    """The texts within secrets, or all of them when `inside` one."""
    for value in values:
        fields = value.struct_value.fields
        if inside and value.string_value:
            yield value.string_value
        elif SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
            yield from _texts([fields["value"]], inside=True)
        else:
            yield from _texts(fields.values(), inside=inside)
            yield from _texts(value.list_value.values, inside=inside)
