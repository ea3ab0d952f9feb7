"""The command line: invoke's, which refuses words that it does not know and options that no verb heeds."""

from collections.abc import Mapping
from importlib.metadata import version

from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit, ParseError
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.program import Program

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import suggestion

HELP = ("--help", "-h")
OPTIONS = ("--list", "-l", "--version", "-V", "--print-completion-script", *HELP)
"""Options without a verb. Invoke's others, above all `--dry`, concern what it runs; no verb lets it run anything."""


class CommandLine(Program):
    """`./inv`: a product's verbs."""

    def __init__(self, verbs: Collection, product: str) -> None:
        super().__init__(namespace=verbs, binary="./inv", binary_names=["inv"], version=version(product))
        self.product = product

    def create_config(self) -> None:
        self.config = Config(lazy=True)  # reads no file that the user has for other programs

    def update_config(self, merge: bool = True) -> None:
        """Leave the configuration as it is: no option changes it."""

    def parse_core(self, argv: list[str] | None) -> None:
        super().parse_core(argv)
        words = self.core.unparsed
        if not {*HELP}.isdisjoint(words):  # invoke takes it for the layer in `up --help`
            self.core[0].args["help"].value = words[0]
            self.core.unparsed = []

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except (OrchestratorError, ParseError) as error:
            raise Exit(f"{self.product}: {error}", code=1) from None

    def _make_parser(self) -> Parser:
        parser = super()._make_parser()
        if not self.args.complete.value:
            _require_known(self.argv[1:], parser.contexts)
        return parser

    def print_help(self) -> None:
        print("Usage: ./inv VERB [options]; ./inv --help VERB shows what it takes.\n")  # noqa: T201 (as invoke does)
        self.list_tasks()

    def print_task_help(self, name: str) -> None:
        verb = self.parser.contexts[name]
        for argument in verb.args.values():
            if issubclass(argument.kind, int) and argument.kind is not bool:
                argument.kind = int  # else invoke shows it as a flag
        words = ["./inv", name, *(str(argument.name).upper() for argument in verb.positional_args)]
        usage = " ".join([*words, *(["[options]"] if verb.args else [])])
        print(f"Usage: {usage}\n\n{self.collection[name].__doc__}\n")  # noqa: T201 (as above)
        if verb.args:
            self.print_columns(verb.help_tuples())

    def task_list_opener(self, extra: str = "") -> str:
        return f"Verbs{extra}"


def _require_known(words: list[str], verbs: Mapping[str, ParserContext]) -> None:
    """Check that a verb exists and has the given options; invoke checks the rest.

    Raises:
        OrchestratorError: names the nearest verb or option.
    """
    name, options = "./inv", OPTIONS
    for word in words:
        option = word.partition("=")[0]
        if word in verbs:
            name, options = word, (*verbs[word].flags, *verbs[word].inverse_flags, *HELP)
        elif word.startswith("-") and option[: None if option.startswith("--") else 2] not in options:
            known = [flag for flag in options if flag.startswith("--")]
            raise OrchestratorError(f"{name} has no option {option!r}; {suggestion(option, known)}")
        elif name == "./inv" and not word.startswith("-"):
            raise OrchestratorError(f"there is no verb {word!r}; {suggestion(word, sorted(verbs))}")
