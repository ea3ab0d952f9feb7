"""The command line: invoke's without its own options, and with suggestions for unknown verbs and options."""

import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.metadata import version

from invoke.collection import Collection
from invoke.completion.complete import complete, print_completion_script
from invoke.config import Config
from invoke.exceptions import Exit, ParseError
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.program import Program

from tools.orchestrator.cli.streams import lost_output
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import suggestion

HELP = ("--help", "-h")
COMPLETION = "--print-completion-script"
OPTIONS = ("--list", "-l", "--version", "-V", COMPLETION, *HELP)
"""Options without a verb. Invoke's others, above all `--dry`, concern what it runs; no verb lets it run anything."""
NAMES = ["./inv", "inv"]
"""What a shell completes the words of."""


class CommandLine(Program):
    """`./inv`: a product's verbs."""

    def __init__(self, verbs: Collection, product: str) -> None:
        super().__init__(namespace=verbs, name=product, binary="./inv", binary_names=NAMES, version=version(product))
        self.product = product

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:  # noqa: A002 (invoke's name)
        try:
            super().run(argv, exit)
        finally:
            lost = lost_output()
            if lost:
                raise SystemExit(f"{self.product}: {lost}")

    def create_config(self) -> None:
        self.config = Config(lazy=True)  # reads no file that the user has for other programs

    def update_config(self, merge: bool = True) -> None:
        """Leave the configuration as it is: no option changes it."""

    def normalize_argv(self, argv: list[str] | None) -> None:
        super().normalize_argv(argv)
        option, _, shell = " ".join(self.argv[1:]).replace("=", " ", 1).partition(" ")
        if option == COMPLETION:
            self._print_completion_script(shell)

    def _print_completion_script(self, shell: str) -> None:
        try:
            with redirect_stdout(io.StringIO()) as script:
                print_completion_script(shell, NAMES)
        except ParseError:
            raise Exit(f"{self.product}: {COMPLETION} needs a shell: bash, zsh or fish", code=1) from None
        # The functions of some shells cannot have such a name, and fish knows commands by their last part.
        named = script.getvalue().replace("complete_./inv", "complete_inv").replace("command ./inv", "command inv")
        print(named)  # noqa: T201 (the result)
        raise Exit

    def parse_cleanup(self) -> None:
        if self.args.complete.value:
            known = ParserContext(args=[arg for arg in self.core_args() if f"--{arg.name}" in OPTIONS])
            parser = Parser(initial=known, contexts=self._make_parser().contexts.values())
            complete(NAMES, self.core, known, self.collection, parser)
        super().parse_cleanup()

    def parse_core(self, argv: list[str] | None) -> None:
        super().parse_core(argv)
        sys.dont_write_bytecode = False  # invoke turns it on, and then every verb compiles what it imports
        words = self.core.unparsed
        if any(word in HELP for word in words):  # invoke takes it for the layer in `up --help`
            self.core[0].args["help"].value = words[0]
            self.core.unparsed = []

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except (OrchestratorError, ParseError) as error:
            verb = getattr(error, "context", None)
            missing = verb.missing_positional_args if verb else ()
            needed = " ".join(str(argument.name).upper() for argument in missing)
            sentence = f"{verb.name} needs {needed}: {_usage(verb)}" if verb and needed else str(error)
            raise Exit(f"{self.product}: {sentence}", code=1) from None

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
        print(f"Usage: {_usage(verb)}\n\n{self.collection[name].__doc__}\n")  # noqa: T201 (as above)
        if verb.args:
            self.print_columns(verb.help_tuples())

    def task_list_opener(self, extra: str = "") -> str:
        return f"Verbs{extra}"


def _usage(verb: ParserContext) -> str:
    words = ["./inv", str(verb.name), *(str(argument.name).upper() for argument in verb.positional_args)]
    return " ".join([*words, *(["[options]"] if verb.args else [])])


def _require_known(words: list[str], verbs: Mapping[str, ParserContext]) -> None:
    """Check that verbs exist and have the given options and arguments; invoke checks the rest.

    Raises:
        OrchestratorError: names the nearest verb or option, or the usage of the verb.
    """
    verb: ParserContext | None = None
    remaining = iter(words)
    arguments = 0
    for word in remaining:
        if word in verbs:
            verb, arguments = verbs[word], len(verbs[word].positional_args)
        elif word.startswith("-"):
            option = word.partition("=")[0] if word.startswith("--") else word[:2]
            _require_option(option, verb)
            takes_value = verb is not None and word in verb.flags and verb.flags[word].takes_value
            if verb and takes_value and next(remaining, None) is None:
                raise OrchestratorError(f"{verb.name} {option} needs a value")
        elif verb is None:
            raise OrchestratorError(f"there is no verb {word!r}; {suggestion(word, sorted(verbs))}")
        else:
            arguments -= 1
            if arguments < 0:
                raise OrchestratorError(f"{verb.name} takes no {word!r}: {_usage(verb)}")


def _require_option(option: str, verb: ParserContext | None) -> None:
    # `flags` has short options as aliases: `in` finds them, iterating does not.
    if option in ({*verb.inverse_flags, *HELP} if verb else OPTIONS) or (verb and option in verb.flags):
        return
    named = [flag for flag, argument in verb.flags.items() if not argument.positional] if verb else OPTIONS
    known = sorted(flag for flag in {*named, "--help"} if flag.startswith("--"))
    raise OrchestratorError(f"{verb.name if verb else './inv'} has no option {option!r}; {suggestion(option, known)}")
