"""The catalogue of the paper's figures and tables: one row describes an item and names the functions that make it.

Items share runs, each of which a sweep trains once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from collapse.errors import CollapseError
from collapse.paper import recipes
from collapse.paper.profiles import Profile
from collapse.paper.recipes import Runs
from collapse.plugins import registered


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A figure or table of the paper, or one of ours."""

    name: str
    """Number of the figure, or ``table-1``."""
    shows: str
    """What the item shows."""
    runs: Callable[[Profile], Runs] = recipes.none
    """Its runs under a profile; none for an item without, or a figure that is only drawn from checkpoints."""
    draw: str | type = ""
    """For a figure, its class: the module and class in `collapse.figures`, which is imported when it is drawn; or
    the class itself, in another package."""
    compute: str | Callable[..., Any] = ""
    """For a figure of many runs, the function that makes its table from an `Item`, as a module and function in
    `collapse.paper`, or itself."""
    paper: str = ""
    """For a figure, what the paper's figure shows."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For a figure, attributes that its class is given in addition to its number."""
    of_checkpoints: bool = True
    """Whether `collapse analyze --figure` can draw the figure from any checkpoint, unless its table is computed
    from a study."""
    of_one: bool = False
    """Whether a single model is worth showing."""
    of_any_two: bool = False
    """Whether any two of its models are worth comparing."""
    table: str | Callable[..., Any] = ""
    """For a table, the function that makes it from an `Item`, as a module and function in
    `collapse.paper.tables`, or itself."""

    @property
    def needs_runs(self) -> bool:
        """Whether the item needs finished runs."""
        return self.runs is not recipes.none

    @property
    def is_of_checkpoints(self) -> bool:
        """Whether it is a figure that `collapse analyze --figure` draws from any checkpoint."""
        return bool(self.draw) and not self.compute and self.of_checkpoints


CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            name="1a",
            shows="test AUC by size, SE, six models",
            runs=recipes.six_single,
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_model",
            paper="a larger single embedding gains little AUC or loses some",
        ),
        Entry(
            name="1b",
            shows="normalised singular values of every field at one or several embedding sizes",
            runs=recipes.at_sizes(lambda p: p.multiples),
            draw="spectrum:SpectrumDisplay",
            paper="singular values fall off faster in larger tables",
        ),
        Entry(
            name="2",
            shows="information abundance of every field, with random matrices of the same shape",
            runs=recipes.once(recipes.large),
            draw="abundance_by_field:AbundanceDisplay",
            paper="every field lies far below random matrices",
            of_one=True,
        ),
        Entry(
            name="3",
            shows="information abundance of the sub-embeddings of every pair of fields, and its sums (a, b, c)",
            runs=recipes.once(recipes.plain),
            draw="sub_embeddings:SubEmbeddingDisplay",
            paper="sub-embeddings E_i->j are more abundant if E_i or E_j is more abundant",
            of_one=True,
        ),
        Entry(
            name="4",
            shows="the toy experiment: IA(E_1) during training, with a small and a large third field",
            runs=recipes.none,
            draw="toy:ToyDisplay",
            paper="interacting with a table of low information abundance collapses E_1",
        ),
        Entry(
            name="5a",
            shows="information abundance of every field, standard and regularised DCNv2",
            runs=recipes.once(recipes.large, recipes.large_regularised),
            draw="comparison:ComparisonDisplay",
            paper="regularised DCNv2 is more abundant than standard DCNv2",
            options={"with_distances": True},
        ),
        Entry(
            name="5b",
            shows="test AUC by size, and training loss and validation AUC by epoch, standard and regularised "
            "DCNv2",
            runs=recipes.compared(
                lambda p: recipes.single(p, ["dcnv2"]),
                lambda p: recipes.single(p, ["dcnv2"], regularised="lambda"),
            ),
            draw="regularisation:DynamicsDisplay",
            compute="epochs:auc_and_epochs",
            paper="regularised DCNv2 does not gain AUC with its size, and overfits",
        ),
        Entry(
            name="6a",
            shows="information abundance of every field, DNN and DCNv2",
            runs=recipes.once(lambda p: p.single("dnn", p.largest), recipes.large),
            draw="comparison:ComparisonDisplay",
            paper="DNN is more abundant than DCNv2",
        ),
        Entry(
            name="6b",
            shows="test AUC by size, SE, DNN and DCNv2",
            runs=recipes.compared(lambda p: recipes.single(p, ["dnn", "dcnv2"])),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_model",
            paper="DNN loses AUC as it grows",
        ),
        Entry(
            name="7",
            shows="single- and multi-embedding: tables, interactions, projections, the mean over sets, the head",
            runs=recipes.none,
            draw="schematic:SchematicDisplay",
            of_checkpoints=False,
        ),
        Entry(
            name="8a",
            shows="test AUC by size, ME, six models",
            runs=recipes.six_multi,
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_model",
            paper="AUC rises with the number of sets",
        ),
        Entry(
            name="8b",
            shows="information abundance of every field, single- and multi-embedding",
            runs=recipes.once(recipes.large, recipes.large_multi),
            draw="comparison:ComparisonDisplay",
            paper="multi-embedding is more abundant than a single embedding",
        ),
        Entry(
            name="9",
            shows=("sums over i of the sub-embeddings' information abundance by IA(E_j), with correlations"),
            runs=recipes.once(recipes.large, recipes.large_multi),
            draw="marginals:MarginalsDisplay",
            paper="sub-embeddings follow their partner's abundance less with multi-embedding than without",
        ),
        Entry(
            name="10a",
            shows="mean diversity of the sets: a split SE table, ME, random sets",
            runs=recipes.once(recipes.large, recipes.large_multi),
            draw="diversity:DiversityDisplay",
            paper="the sets of multi-embedding are more diverse than those of a split single embedding",
        ),
        Entry(
            name="10b",
            shows="interaction patterns: norms of the field maps, one heatmap per set",
            runs=recipes.once(lambda p: p.multi("dcnv2", 4)),
            draw="patterns:PatternDisplay",
            paper="the sets have different patterns",
            of_one=True,
        ),
        Entry(
            name="10c",
            shows="test AUC by size, ME with separate, shared and norm-aligned interactions",
            runs=recipes.compared(recipes.variants),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_model",
            paper="AUC rises less with shared or aligned interactions than with separate ones",
        ),
        Entry(
            name="10d",
            shows="mean diversity of the sets with separate, shared and norm-aligned interactions",
            runs=recipes.once(
                lambda p: p.multi("dcnv2", 4),
                lambda p: p.multi("dcnv2", 4, interactions="shared"),
                lambda p: p.multi("dcnv2", 4, interactions="aligned"),
                lambda p: p.single("dcnv2", 4),
            ),
            draw="diversity:DiversityDisplay",
            paper="sets with separate interactions are more diverse than with shared or aligned ones",
        ),
        Entry(
            name="11",
            shows="normalised singular values of a text model's token table and of a recommender's tables",
            runs=recipes.once(recipes.plain),
            draw="text_model:TextModelDisplay",
            paper="the text model T5 keeps larger normalised singular values than DCNv2",
            of_one=True,
        ),
        Entry(
            name="12",
            shows="test AUC by size, SE and ME, one panel per model, first data set",
            runs=recipes.of_data(0),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_variant",
            paper="multi-embedding gains more AUC with its size than a single embedding",
        ),
        Entry(
            name="13",
            shows="test AUC by size, SE and ME, one panel per model, second data set",
            runs=recipes.of_data(1),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_variant",
            paper="multi-embedding gains more AUC with its size than a single embedding",
        ),
        Entry(
            name="14",
            shows="Figure 3 of an FFM",
            runs=recipes.once(lambda p: p.single("ffm")),
            draw="sub_embeddings:SubEmbeddingDisplay",
            paper="sub-embeddings E_i->j are more abundant if E_i or E_j is more abundant",
            of_one=True,
        ),
        Entry(
            name="15",
            shows="IA / K of every field by K",
            runs=recipes.at_sizes(lambda p: p.halves),
            draw="abundance_per_k:AbundancePerKDisplay",
            paper="IA / K falls as the embedding size grows",
        ),
        Entry(
            name="16",
            shows=(
                "heatmaps of the sub-embeddings with IA(E_i) and IA(E_j) as bars, for example of regularised DCNv2"
            ),
            runs=recipes.once(recipes.plain, lambda p: p.single("dcnv2", regularised="lambda")),
            draw="heatmaps:HeatmapsDisplay",
            paper="sub-embeddings of regularised DCNv2 are more abundant",
        ),
        Entry(
            name="17a",
            shows="test AUC by size, SE and ME of regularised DCNv2",
            runs=recipes.compared(lambda p: recipes.sizes(p, "dcnv2", regularised="lambda")),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_variant",
            paper="regularised DCNv2 gains AUC from more sets, but not from a larger single embedding",
            options={"with_distances": True},
        ),
        Entry(
            name="17b",
            shows="test AUC by size, SE and ME of DNN and DCNv2",
            runs=recipes.compared(lambda p: recipes.sizes(p, "dnn"), lambda p: recipes.sizes(p, "dcnv2")),
            draw="auc_by_size:AucBySizeDisplay",
            compute="auc:auc_by_variant",
            paper="DNN and DCNv2 gain more AUC from more sets than from a larger single embedding",
        ),
        Entry(
            name="table-1",
            shows="test AUC of six models at every size, SE and ME, all data sets",
            runs=recipes.table_1,
            table="auc_tables:auc_table",
        ),
        Entry(
            name="table-2",
            shows="mean abundance by fraction of the data and size",
            runs=recipes.table_2,
            table="abundance_table:abundance_table",
        ),
        Entry(
            name="table-3",
            shows="test AUC with more cross layers and a deeper MLP",
            runs=recipes.compared(recipes.table_3),
            table="auc_tables:auc_table",
        ),
        Entry(
            name="table-4",
            shows="rows, fields and cardinalities of the data sets",
            runs=recipes.none,
            table="data_table:data_table",
        ),
        Entry(
            name="table-5",
            shows="Table 1 with deviations, first data set",
            runs=recipes.of_data(0),
            table="auc_tables:auc_table",
        ),
        Entry(
            name="table-6",
            shows="Table 1 with deviations, second data set",
            runs=recipes.of_data(1),
            table="auc_tables:auc_table",
        ),
        Entry(
            name="table-7",
            shows="test AUC of AutoInt, SE and ME, to 4x",
            runs=recipes.compared(lambda p: recipes.sizes(p, "autoint", p.multiples[:-1])),
            table="auc_tables:auc_table",
        ),
        Entry(
            name="along-training",
            shows="abundance and co-influence by epoch, DCNv2; not in the paper",
            runs=recipes.along,
            draw="along_training:AlongTrainingDisplay",
            compute="epochs:along_training",
            of_one=True,
        ),
        Entry(
            name="cures",
            shows="remedies against collapse: abundance, test AUC, time; not in the paper",
            runs=recipes.cures,
            of_any_two=True,
            table="cures_table:cures_table",
        ),
        Entry(
            name="findings",
            shows="the paper's claims, each tested on the runs",
            runs=recipes.findings,
            of_any_two=True,
            table="findings_table:findings_table",
        ),
    )
}
"""All items, the paper's in its order, then ours."""
GROUP = "collapse.figures"
"""Entry points of other packages: each is an `Entry`."""

_PANELS = {
    "a": "only the heatmap of Figure 3",
    "b": "only Figure 3's sums over j",
    "c": "only Figure 3's sums over i",
}
PANELS = {
    f"3{panel}": replace(
        CATALOGUE["3"], name=f"3{panel}", shows=shows, runs=recipes.none, options={"panels": panel}
    )
    for panel, shows in _PANELS.items()
}
PANELS["layers"] = Entry(
    name="layers",
    shows="IA of the outputs of every layer by epoch, recorded by `train --monitor layers`",
    runs=recipes.none,
    draw="layers:LayersDisplay",
)
"""Parts of Figure 3 that can be drawn from a checkpoint, because a study shows the whole figure, and the layers of
a run."""


def all_items(profile: Profile) -> tuple[str, ...]:
    """Return the items that ``all`` means in a profile, in the paper's order."""
    return tuple(name for name in CATALOGUE if name in (profile.items or CATALOGUE))


def catalogue() -> dict[str, Entry]:
    """Return all items, followed by those that other packages register.

    Raises
    ------
    CollapseError
        If one is not an `Entry` that says how it is made, or cannot be imported.
    """
    found = registered(GROUP, "figure", taken=(*CATALOGUE, *PANELS, "all"))
    for name, entry in found.items():
        if not isinstance(entry, Entry) or not (entry.draw or entry.table):
            raise CollapseError(f"the figure {name!r} is not a collapse.Entry with a class that draws, or a table")
    return {**CATALOGUE, **{name: replace(entry, name=name) for name, entry in found.items()}}


def runs_of(items: Sequence[str], profile: Profile) -> Runs:
    """Return the runs of some items without duplicates.

    Parameters
    ----------
    items : sequence of str
        Items of `CATALOGUE`; ``all`` means those of the profile.
    profile : Profile
        The size of the study.

    Raises
    ------
    CollapseError
        If an item does not exist.
    """
    wanted = [item for word in items for item in (all_items(profile) if word == "all" else (word,))]
    known = catalogue()
    for item in wanted:
        if item not in known:
            raise CollapseError(f"unknown item {item!r}: the items are {', '.join(known)}, and all")
    return tuple(dict.fromkeys(run for item in wanted for run in known[item].runs(profile)))
