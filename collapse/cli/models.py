"""`collapse models`."""

import json
from typing import Any

import click

from collapse.cli.columns import echo_table
from collapse.cli.output import suggest
from collapse.settings import written


@click.command(name="models")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str | None, as_json: bool) -> None:
    """List the models, or describe one with its settings.

    The parameter counts are for a single-embedding model of the base size at Criteo's shape (39 fields, 1.08
    million table rows, Table 4). The column "in tables" is the fraction of them in the embedding tables.

    Other packages can add models as entry points of the group collapse.models. A class in a file of your own needs
    no registration: collapse train --model module:Class.

    \b
    Examples:
      collapse models
      collapse models dcnv2
      collapse train --model dcnv2 -c cross_layers=8
    """
    import pandas as pd

    from collapse.training.models.listing import describe_model, list_models

    found = describe_model(model) if model else list_models()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif isinstance(found, dict):
        click.echo(_described(found))
        suggest("collapse", "train", "--model", model)
    else:
        rows = [(each["model"], *_numbers(each), _interaction(each)) for each in found]
        table = pd.DataFrame(rows, columns=["model", "parameters", "in tables", "interaction"])
        echo_table(table)
        suggest("collapse", "models", found[0]["model"])


def _numbers(model: dict[str, Any]) -> tuple[str, str]:
    if model["error"]:
        return "", ""
    return f"{model['parameters'] / 1e6:.2f} M", f"{model['embedding_share']:.1%}"


def _interaction(model: dict[str, Any]) -> str:
    """Return the formula of a model and where it is from, or why it cannot be used."""
    reference = model.get("reference")
    return f"{model.get('formula') or model['error']}{f' {reference}.' if reference else ''}"


def _described(model: dict[str, Any]) -> str:
    lines = [f"{model['model']}: {model['formula']}"]
    lines += [f"({model['reference']})"] * bool(model["reference"])
    lines += ["", model["about"]] * bool(model["about"])
    size = f"{model['parameters']:,} parameters, {model['embedding_share']:.1%} of them in the embedding tables"
    lines += ["", f"{model['name']} at Criteo's shape: {size}."]
    lines += ["", "Settings, given as -c KEY=VALUE or in the model's name:"]
    for item in model["settings"]:
        choices = f" ({', '.join(item['choices'])})" if item["choices"] else ""
        lines += [f"  {item['name']}={written(item['default'])}{choices}", f"      {item['help']}"]
    return "\n".join(lines)
