"""`collapse glossary`."""

import json
import textwrap

import click

from collapse.cli.output import suggest
from collapse.errors import CollapseError, shortened
from collapse.glossary import glossary


@click.command(name="glossary")
@click.argument("term", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(term: str | None, as_json: bool) -> None:
    """Explain the terms.

    Without TERM, all definitions are printed. With TERM, those whose name contains it are printed, or otherwise
    those whose text does.

    \b
    Examples:
      collapse glossary
      collapse glossary "adjusted abundance"
      collapse glossary projection
    """
    found = glossary() if term is None else _matching(term)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, text in found.items():
        click.echo(f"{name}\n{textwrap.indent(textwrap.fill(text, 78), '  ')}\n")
    suggest("collapse", "analyze", "FILE")


def _matching(term: str) -> dict[str, str]:
    terms, word = glossary(), term.casefold()
    found = {name: text for name, text in terms.items() if word in name.casefold()}
    found = found or {name: text for name, text in terms.items() if word in text.casefold()}
    if not found:
        raise CollapseError(f"the glossary has no term {shortened(term)}: its terms are {', '.join(terms)}")
    return found
