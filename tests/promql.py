"""What a PromQL expression asks for: its series, the labels that it picks them by, and the labels that it keeps."""

from dataclasses import dataclass

import promql_parser
from promql_parser import AggregateExpr, Expr, MatchOp, VectorSelector


@dataclass(frozen=True, slots=True)
class Picked:
    """A selector. labels: that it picks by. values: of each label that must have one certain value."""

    series: str
    labels: frozenset[str]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """An aggregation `by` labels, and the series below it."""

    labels: tuple[str, ...]
    series: tuple[str, ...]


def picked(expression: str) -> list[Picked]:
    """Every selector. Raises ValueError for what is no PromQL."""
    return [_picked(selector) for selector in _selectors(promql_parser.parse(expression))]


def kept(expression: str) -> list[Kept]:
    """Every aggregation with labels."""
    found: list[Kept] = []

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            series = tuple(_picked(selector).series for selector in _selectors(node.expr))
            found.append(Kept(tuple(node.modifier.labels), series))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def _selectors(tree: Expr) -> list[VectorSelector]:
    found: list[VectorSelector] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    promql_parser.walk(tree, visit)
    return found


def _picked(selector: VectorSelector) -> Picked:
    assert selector.name, "series are asked for by name"
    matchers = selector.matchers.matchers
    values = tuple((item.name, item.value) for item in matchers if item.op == MatchOp.Equal)
    return Picked(selector.name, frozenset(item.name for item in matchers), values)
