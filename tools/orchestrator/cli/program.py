"""The command line: invoke's, with the options that concern a verb only, and in the words of txmon."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program

from tools.orchestrator.model.monorepo import suggestion

OPTIONS = {"complete", "help", "print-completion-script"}
"""Those of invoke's own. All others, `--dry` above all, concern what invoke runs, and no verb lets it run any."""

UNKNOWN = re.compile(r"No idea what (['\"])(?P<word>.*)\1 is!", re.DOTALL)
VALUE_LACKING = re.compile(r"Flag <Argument: (?P<option>[\w-]+).* needed value")


class CommandLine(Program):
    """`./inv`: what invoke does with the verbs."""

    def __init__(self, verbs: Collection) -> None:
        super().__init__(namespace=verbs, binary="./inv", binary_names=["inv"])
        self.verbs = sorted(verbs.task_names)

    def core_args(self) -> list[Argument]:
        listing = Argument(names=("list", "l"), kind=bool, default=False, help="show the verbs")
        return [listing, *(argument for argument in super().core_args() if argument.name in OPTIONS)]

    @property
    def args(self) -> Any:
        """What was given; of the options that cannot be given, which invoke asks for all the same, the defaults."""
        given = self.core[0].args
        return ParserContext(args=[given.get(argument.name, argument) for argument in super().core_args()]).args

    def create_config(self) -> None:
        self.config = Config(lazy=True)  # no file that the user has for other programs changes what a verb does

    def update_config(self, merge: bool = True) -> None:
        """Nothing that can be given has to be written there."""

    def parse_core(self, argv: list[str] | None) -> None:
        with self._in_words():
            super().parse_core(argv)
        if self.core.remainder and not self.args.complete.value:  # which invoke would take and heed nowhere
            raise _refusal(_unknown("--", None, self.verbs))
        words = self.core.unparsed
        if not {"--help", "-h"}.isdisjoint(words):  # which invoke takes for the layer in `up --help`
            self.core[0].args["help"].value = words[0]
            self.core.unparsed = []

    def parse_tasks(self) -> None:
        with self._in_words():
            super().parse_tasks()
        for verb in self.tasks:
            if option := _taken_for_an_argument(verb):
                raise _refusal(_unknown(option, verb, self.verbs))

    def parse_cleanup(self) -> None:
        with self._in_words():
            super().parse_cleanup()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except ParseError as error:
            raise _refusal(_sentence(error, self.verbs)) from None

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


def _refusal(sentence: str) -> Exit:
    return Exit(f"txmon: {sentence}", code=1)


def _sentence(error: ParseError, verbs: list[str]) -> str:
    """What invoke says of a command line that it does not understand, as one sentence that names what mends it."""
    verb = error.context if error.context and error.context.name else None
    if verb and (option := _taken_for_an_argument(verb)):
        return _unknown(option, verb, verbs)
    if found := UNKNOWN.fullmatch(str(error)):
        return _unknown(found["word"], verb, verbs)
    if found := VALUE_LACKING.match(str(error)):
        name = f"{verb.name} " if verb else ""
        return f"{name}--{found['option']} needs a value"
    if verb and verb.missing_positional_args:
        lacking = " and ".join(str(argument.name).upper() for argument in verb.missing_positional_args)
        return f"{verb.name} needs {lacking}: {_usage(verb)}"
    return str(error)


def _unknown(word: str, verb: ParserContext | None, verbs: list[str]) -> str:
    if word.startswith("-"):
        options = [flag for flag in verb.flags if flag.startswith("--")] if verb else ["--list"]
        return f"{verb.name if verb else './inv'} has no option {word!r}; {suggestion(word, [*options, '--help'])}"
    if verb:
        return f"{verb.name} takes no {word!r}: {_usage(verb)}"
    return f"there is no verb {word!r}; {suggestion(word, verbs)}"


def _taken_for_an_argument(verb: ParserContext) -> str | None:
    """An option that the verb does not have, where it has an argument that may stand without a name."""
    given = (str(argument.value) for argument in verb.positional_args)
    return next((value for value in given if value.startswith("-")), None)


def _usage(verb: ParserContext) -> str:
    words = [str(argument.name).upper() for argument in verb.positional_args]
    return " ".join(["./inv", str(verb.name), *words, *(["[options]"] if verb.args else [])])
