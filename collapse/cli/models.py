"""`collapse models`."""

import json
from typing import Any

import click


@click.command(name="models")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(as_json: bool) -> None:
    """List the models that `collapse train --model` takes.

    Counted are the parameters of the single-embedding model of the base size at Criteo's shape (39 fields,
    1.08 million rows of tables in all, Table 4), and the share of them in the embedding tables.

    Models of other packages are listed too: those registered as entry points of the group collapse.models. A class
    in a file of your own needs no registration: collapse train --model module:Class.
    """
    from collapse.training.listing import list_models

    listed = list_models()
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    click.echo("model      parameters  in tables  interaction")
    for model in listed:
        click.echo(f"{model['model']:10s} {_numbers(model)}  {model['formula'] or model['error']}")
        if model["reference"]:
            click.echo(f"{'':34s}{model['reference']}")


def _numbers(model: dict[str, Any]) -> str:
    if model["error"]:
        return " " * 21
    return f"{model['parameters'] / 1e6:8.2f} M {model['embedding_share']:10.1%}"
