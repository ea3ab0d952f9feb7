"""Implements Pulumi's gRPC protocol for providers of the package `aws`, on the specs of `resources/`."""

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
from tools.localcloud.provider.property_values import SECRET, dump, load
from tools.localcloud.resources import SPECS
from tools.localcloud.schema import diff, lifecycle, service_model
from tools.localcloud.schema.lifecycle import PartialFailure
from tools.localcloud.schema.spec import DEFAULTS, ResourceContext, Spec
from tools.localcloud.schema.validators import Known
from tools.localcloud.schema.values import SIGNATURE, UNKNOWN, Unknown, contains_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tools.localcloud.provider.engines import Engines
    from tools.localcloud.schema.values import Props

log = logging.getLogger(__name__)

EMULATOR_STOPPED: Final = "the local cloud's emulator has stopped; run the command again: it starts a new one"
STRANGER: Final = "the local cloud's provider serves the engines of its own clone only"
CONNECTION_LOST: Final = "the connection to the local cloud's provider was idle for too long; run the command again"
SESSIONS: Final = 256  # connections remembered at once; each engine has one
THREADS: Final = 32  # Pulumi runs up to four operations per processor at once, for several engines
NAME_DIGITS: Final = 7  # of an automatic name, as in Pulumi's bridge
DIFF: Final = provider_pb2.DiffResponse


def answered(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an exception of a call into one line for the user, and log its traceback."""

    @wraps(method)
    def call(self: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except LocalCloudError as error:
            text = str(error)
        except PartialFailure as error:
            text = self.explain(error.reason, request, context)
            _init_failed(request, context, error, text)
        except Exception as error:  # noqa: BLE001 - the border of the process: nothing may get past it
            text = self.explain(error, request, context)
        context.set_code(grpc.StatusCode.UNKNOWN)
        context.set_details(text)
        return None

    return call


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider, whose methods engines call. Configuration is kept for each connection, never globally."""

    def __init__(
        self,
        clients: Clients,
        engines: Engines,
        alive: Callable[[], bool],
        on_create: Callable[[str, str], None],
    ) -> None:
        self.clients = clients
        self.engines = engines
        self.alive = alive
        self.on_create = on_create
        self.version = importlib.metadata.version("pulumi-aws")
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    # The connection.

    @answered
    def Handshake(self, _request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        engine = self.engines.owner(context.peer())
        if engine is None:
            raise LocalCloudError(STRANGER)
        with self._lock:  # a new engine may have the port of an old one
            self._sessions[context.peer()] = Session(self.clients, engine=engine)
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
            session = self._sessions.get(context.peer())
        if session is None or not self.engines.runs(session.engine):
            raise LocalCloudError(CONNECTION_LOST if self.engines.owner(context.peer()) else STRANGER)
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
        reasons = list(_refused_inputs(spec, session, news))
        for key in spec.documents & news.keys():  # the SDK lets a policy be written as a dictionary
            if isinstance(news[key], dict):
                news[key] = UNKNOWN if contains_unknown(news[key]) else json.dumps(news[key])
        write_only = {key: news.pop(key) for key in spec.write_only if key in news}
        session.write_only_values[request.urn] = write_only
        if spec.name and news.get(spec.name) is None:
            kept = olds.get(spec.name) if spec.name in olds.get(DEFAULTS, ()) else None
            news[spec.name] = kept or _automatic_name(spec, request)
            news[DEFAULTS] = [spec.name]
            if len(news[spec.name]) > spec.name_limit:  # as Pulumi's bridge, which does not shorten it either
                named = f"the automatic name {news[spec.name]}"
                reasons.append(f"{named} is too long: AWS takes {spec.name_limit} characters")
        if "tags" in spec.inputs:
            tags = news.get("tags") or {}
            own = tags if isinstance(tags, dict) else {}
            news["tagsAll"] = UNKNOWN if tags is UNKNOWN else {**session.default_tags, **own}
            secrets |= {"tagsAll"} if "tags" in secrets else set()
        # A failure does not name its property to the engine, which would show the value.
        failures = [("", _without_secrets(reason, request, write_only)) for reason in reasons]
        return provider_pb2.CheckResponse(inputs=dump(news, secrets), failures=_failures(failures))

    @answered
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.session(context)
        spec = _spec(request.urn)
        news, _ = load(request.news)
        olds = _asked(spec, request)
        found = diff.changes(spec, olds, news)
        if not found:
            return DIFF(changes=DIFF.DIFF_NONE)
        replaces = sorted(
            {
                key
                for key, _ in found.values()
                if spec.replaces(key, olds.get(key), news.get(key, spec.defaults.get(key)))
            }
        )
        kinds = provider_pb2.PropertyDiff.Kind
        detail = {
            path: provider_pb2.PropertyDiff(kind=kinds.Value(f"{kind}_REPLACE" if key in replaces else kind))
            for path, (key, kind) in found.items()
        }
        chosen = spec.name in news.keys() - spec.required - set(news.get(DEFAULTS, ()))
        return DIFF(
            changes=DIFF.DIFF_SOME,
            replaces=replaces,
            diffs=sorted({path.split(".")[0].split("[")[0] for path in found}),
            detailedDiff=detail,
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and (spec.delete_before_replace or chosen),
        )

    @answered
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        given, secrets = load(request.properties)
        resource = self._resource(request, context, inputs=given, state={})
        if request.preview:
            state = diff.planned(resource.spec, {}, given, None, resource.aws.region)
            return provider_pb2.CreateResponse(properties=_dump(resource.spec, state, secrets))
        try:
            state = lifecycle.create(resource)
        finally:
            if resource.id:  # it exists, even if not as wanted
                self.on_create(request.urn, resource.id)
        return provider_pb2.CreateResponse(id=resource.id, properties=_dump(resource.spec, state, secrets))

    @answered
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        given, secrets = load(request.news)
        olds, _ = load(request.olds)
        resource = self._resource(request, context, inputs=given, state=olds, identity=request.id)
        spec = resource.spec
        changed = frozenset(key for key, _kind in diff.changes(spec, _asked(spec, request), given).values())
        if request.preview:
            state = diff.planned(spec, olds, given, changed, resource.aws.region)
        else:
            state = lifecycle.update(resource, changed)
        return provider_pb2.UpdateResponse(properties=_dump(spec, state, secrets))

    @answered
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        state, _ = load(request.properties)
        lifecycle.delete(self._resource(request, context, inputs=state, state=state, identity=request.id))
        return empty_pb2.Empty()

    @answered
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        olds, secrets = load(request.properties)
        inputs, more = load(request.inputs)
        resource = self._resource(request, context, inputs=inputs, state=olds, identity=request.id)
        spec = resource.spec
        state = lifecycle.read(resource)
        if state is None:
            return provider_pb2.ReadResponse()
        fresh = _refreshed(spec, inputs, olds, state) if inputs else _imported(spec, state)
        secrets |= more
        return provider_pb2.ReadResponse(
            id=resource.id, properties=_dump(spec, state, secrets), inputs=_dump(spec, fresh, secrets)
        )

    # Functions.

    @answered
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        session = self.session(context)
        arguments, _ = load(request.args)
        result, secrets = functions.invoke(session, request.tok, arguments)
        return provider_pb2.InvokeResponse(**{"return": dump(result, secrets)})

    def explain(self, error: Exception, request: Any, context: grpc.ServicerContext) -> str:
        """Return AWS's code and message, or another error, as one line; neither it nor the log has a secret."""
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
        write_only = self.session(context, configured=False).write_only_values.get(subject, {})
        trace = "".join(traceback.format_exception(error))
        log.warning("%s: %s", subject, _without_secrets(trace, request, write_only))
        return _without_secrets(" ".join(text.split()), request, write_only)

    def _resource(
        self, request: Any, context: grpc.ServicerContext, *, inputs: Props, state: Props, identity: str = ""
    ) -> ResourceContext:
        session = self.session(context)
        written = session.write_only_values.get(request.urn)
        spec = _spec(request.urn)
        return ResourceContext(spec, session, inputs=inputs, state=state, identity=identity, write_only=written)


def serve(
    clients: Clients, engines: Engines, alive: Callable[[], bool], on_create: Callable[[str, str], None]
) -> tuple[grpc.Server, int]:
    """Serve the provider on a free port of the loopback interface; return the server and its port.

    `engines` tells whose connections are served; `alive` returns whether the emulator runs; `on_create` gets the URN
    and id of each created resource.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(clients, engines, alive, on_create), server)
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


def _refused_inputs(spec: Spec, session: Session, news: Props) -> Iterator[str]:
    """Yield why inputs are refused: by their names, by the spec, or else by the service model of AWS."""
    for key in sorted(news.keys() - spec.inputs - {DEFAULTS, "tagsAll"}):
        yield f"the local cloud's {spec.kind} does not know the input {key!r}"
    yield from (f"{key} is required" for key in sorted(spec.required) if news.get(key) is None)
    if not isinstance(news.get("tags") or {}, dict | Unknown):
        yield "tags must be a map"
    known = Known(news)
    try:
        reasons = [reason for validate in spec.validators if (reason := validate(known))]
        yield from reasons or service_model.refusals(ResourceContext(spec, session, inputs=known, state={}))
    except (AttributeError, TypeError, ValueError):
        yield f"{known.last} has a value of the wrong type"


def _automatic_name(spec: Spec, request: Any) -> str:
    proposed = request.autonaming.proposed_name
    stem = request.urn.rsplit("::", 1)[-1]
    digits = hashlib.sha256(request.randomSeed).hexdigest()[:NAME_DIGITS]
    name = proposed or f"{stem}{spec.name_separator}{digits}"
    name = name.lower() if spec.name_is_lower else name
    return name if name.startswith(spec.name_start) else spec.name_start + name


def _dump(spec: Spec, values: Props, secrets: frozenset[str]) -> Any:
    if "tags" in secrets:
        secrets |= {"tagsAll"}
    return dump(values, secrets | spec.secret)


def _asked(spec: Spec, request: Any) -> Props:
    """Return the old state, with what was asked where the local cloud may have answered otherwise."""
    olds, _ = load(request.olds)
    inputs, _ = load(request.old_inputs)
    return {**olds, **{key: inputs[key] for key in spec.answered_otherwise & inputs.keys()}}


def _refreshed(spec: Spec, inputs: Props, olds: Props, state: Props) -> Props:
    """Return the inputs after a refresh: those that drifted have their current values."""
    fresh = dict(inputs)
    for key in inputs.keys() & (spec.properties | {"tagsAll"}) - spec.answered_otherwise:
        if not diff.same(spec, key, olds.get(key), state.get(key)):
            fresh[key] = state.get(key)
    return fresh


def _imported(spec: Spec, state: Props) -> Props:
    """Return inputs that would create what was found."""
    return {
        key: state[key]
        for key in spec.inputs & state.keys()
        if not diff.same(spec, key, state[key], spec.defaults.get(key))
    } | ({"tagsAll": state["tagsAll"]} if "tagsAll" in state else {})


def _failures(found: list[tuple[str, str]]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in found]


def _init_failed(request: Any, context: grpc.ServicerContext, error: PartialFailure, text: str) -> None:
    """Tell the engine that the resource exists but is not as wanted, so that the engine stores it."""
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


def _without_secrets(text: str, request: Any, write_only: Props) -> str:
    found = set(_texts(dump(write_only).fields.values(), inside=True))
    for name in ("properties", "news", "olds", "args"):
        if struct := getattr(request, name, None):
            found |= set(_texts(struct.fields.values(), inside=False))
    for word in sorted(found, key=len, reverse=True):
        text = text.replace(word, "[secret]")
    return text


def _texts(values: Iterable[Any], *, inside: bool) -> Iterator[str]:
    """Yield the texts within secrets; all texts if the values are `inside` a secret."""
    for value in values:
        fields = value.struct_value.fields
        if inside and value.string_value:
            yield value.string_value
        elif SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
            yield from _texts([fields["value"]], inside=True)
        else:
            yield from _texts(fields.values(), inside=inside)
            yield from _texts(value.list_value.values, inside=inside)
