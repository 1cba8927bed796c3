"""Who may do what: the two logins, and the allow-list over the analyst's parsed query.

The analyst is held by three walls, each of which refuses on its own: the engine's role (grants on one
database, no sources), `readonly=1` with limits on the connection, and this module, which walks the query
as the engine's parser understood it (`parseQueryToJSON`) and refuses every node, table and function it does
not know. The list is needed because grants do not cover scalar functions: `file('/etc/passwd')` is one.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tagpulse.clickhouse.errors import ACCESS_DENIED, AUTHENTICATION_FAILED, READONLY, ServerError
from tagpulse.clickhouse.names import names

DATABASE = "tagpulse"

# Read by clients while they connect and by people who look around; `tables`, `columns` and `parts` show the
# analyst only what its role may see.
_SYSTEM_TABLES = names(
    "columns data_type_families databases formats functions numbers one parts settings table_engines tables time_zones"
)
_TABLE_FUNCTIONS = names("numbers values sqlstandardvalues view generateseries generate_series null")
_EXPLAINS = frozenset(
    f"EXPLAIN{kind}" for kind in ("", " AST", " SYNTAX", " QUERY TREE", " PIPELINE", " ESTIMATE", " PLAN")
)

# Parts of a SELECT that carry no name to check by themselves: their children are walked like all others.
_PLAIN_NODES = names(
    "ArrayJoin Asterisk ColumnsExceptTransformer ColumnsListMatcher ColumnsRegexpMatcher "
    "ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement ColumnsTransformerList ExpressionList "
    "InterpolateElement Literal OrderByElement QualifiedAsterisk QualifiedColumnsListMatcher "
    "QualifiedColumnsRegexpMatcher SampleRatio SelectIntersectExceptQuery SelectQuery SelectWithUnionQuery "
    "Subquery TableExpression TableJoin TablesInSelectQuery TablesInSelectQueryElement WindowDefinition "
    "WindowListElement WithElement"
)

_CATEGORY_NAMES = (
    "Arithmetic,Arrays,Bit,Bitmap,Comparison,Conditional,Dates and Times,Dictionary,Distance,Encoding,Geo,"
    "Geo Polygon,Hash,IP Address,JSON,Logical,Map,Mathematical,Null,Random Number,Rounding,String,"
    "String Replacement,String Search,String Splitting,Time Window,Tuple,Type Conversion,URL,UUID"
)
_ALLOWED_CATEGORIES = frozenset(_CATEGORY_NAMES.split(","))
# From the categories "Other" and "Internal", and syntax that the parser writes as a function.
_FUNCTIONS = names(
    "_CAST bar byteSize caseWithExpression countDigits currentDatabase currentUser defaultValueOfArgumentType "
    "defaultValueOfTypeName exists finalizeAggregation formatReadableDecimalSize formatReadableQuantity "
    "formatReadableSize formatReadableTimeDelta grouping hostName identity ignore indexHint initializeAggregation "
    "isConstant lambda materialize nested parseTimeDelta queryID rowNumberInAllBlocks rowNumberInBlock "
    "runningAccumulate runningDifference throwIf toColumnTypeName toTypeName transform untuple uptime version "
    "visibleWidth"
)
_COMBINATORS = (
    "If|Array|Map|State|SimpleState|Merge|MergeState|ForEach|Distinct|OrDefault|OrNull|Resample|ArgMin|ArgMax"
)
_COMBINED = re.compile(rf"^(?P<base>\w+?)(?:{_COMBINATORS})+$")
_IN = re.compile(r"^(?:global)?(?:not)?(?:null)?in(?:ignoreset)?$", re.IGNORECASE)
_FOREIGN = names("default system information_schema")
_NAME = re.compile(r"^\w+$")

# `origin` keeps out functions that were defined by users, whose bodies are not in the query.
VOCABULARY_SQL = (
    "SELECT name, alias_to, is_aggregate, splitByChar(',', categories) AS categories "
    "FROM system.functions WHERE origin = 'System'"
)

# Statements whose syntax tree the engine does not export: taken only in this exact shape, where no other name or
# expression can hide.
_TABLE = rf"(?:(?:`?{DATABASE}`?\.)?`?(\w+)`?)"
_SIMPLE = re.compile(
    rf"\s*(?:(?:SHOW\s+CREATE(?:\s+TABLE|\s+VIEW)?|EXISTS(?:\s+TABLE|\s+VIEW)?|DESC(?:RIBE)?(?:\s+TABLE)?)"
    rf"\s+{_TABLE}|EXISTS\s+DATABASE\s+\w+)(?:\s+FORMAT\s+(?P<format>\w+))?\s*;?\s*",
    re.IGNORECASE,
)


class Login(enum.Enum):
    """Whom a request acts for."""

    WRITER = "writer"
    ANALYST = "analyst"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The names and passwords of both logins; never printed."""

    writer: tuple[str, str]
    analyst: tuple[str, str]

    def login(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Login:
        """The login that the request proves, by the first of the ways ClickHouse knows; else code 516."""
        user, password = _presented(headers, query)
        proved: Login | None = None
        # Both are always compared in whole, so that the time taken says nothing about what was right.
        for login, (name, secret) in ((Login.WRITER, self.writer), (Login.ANALYST, self.analyst)):
            same_name = hmac.compare_digest(user.encode(), name.encode())
            same_secret = hmac.compare_digest(password.encode(), secret.encode())
            if same_name and same_secret:
                proved = login
        if proved is None:
            raise ServerError(
                AUTHENTICATION_FAILED,
                "Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return proved


def _presented(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", ""), headers.get("X-ClickHouse-Key", "")
    kind, _, encoded = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    return query.get("user", ""), query.get("password", "")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names an analyst may use, in lower case: taken from the engine once, when it starts."""

    functions: frozenset[str]
    aggregates: frozenset[str]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Vocabulary:
        """From the rows of `VOCABULARY_SQL`; an alias is allowed where what it stands for is."""
        rows = list(rows)
        allowed = {row["name"] for row in rows if not _ALLOWED_CATEGORIES.isdisjoint(row["categories"])}
        allowed.update(_FUNCTIONS)
        aggregates = {row["name"] for row in rows if row["is_aggregate"]}
        pairs = [(row["name"], row["alias_to"] or row["name"]) for row in rows]
        return cls(
            frozenset(name.lower() for name, target in pairs if target in allowed and target not in aggregates)
            | {name.lower() for name in _FUNCTIONS},
            frozenset(name.lower() for name, target in pairs if target in aggregates),
        )

    def knows(self, name: str) -> bool:
        """True for an allowed scalar, window or aggregate function, with combinators or without."""
        lower = name.lower()
        if lower in self.functions or lower in self.aggregates:
            return True
        combined = _COMBINED.match(name)
        return combined is not None and combined["base"].lower() in self.aggregates


def simple_statement(sql: str) -> re.Match[str] | None:
    """SHOW CREATE, EXISTS and DESCRIBE of a table in the analyst's database, which have no exported tree."""
    return _SIMPLE.fullmatch(sql)


class Catalog(Protocol):
    """What exists in the engine right now; asked for only where a statement makes it matter."""

    def views(self) -> Collection[str]:
        """The views of the analyst's database: those with parameters are called like functions."""


def vet(tree: Mapping[str, Any], vocabulary: Vocabulary, catalog: Catalog) -> None:
    """Raise unless every part of the analyst's statement is known to be harmless."""
    kind = tree.get("type")
    if kind == "ExplainQuery":
        if tree.get("kind") not in _EXPLAINS or not isinstance(tree.get("query"), dict):
            raise _denied(f"{tree.get('kind')} is not allowed for this login")
        _refuse_outfile(tree)
        rest = set(tree) - {"type", "kind", "settings", "query", "format_ast"}
        if any(tree[key] for key in rest):
            raise _denied("this form of EXPLAIN is not allowed for this login")
        tree, kind = tree["query"], tree["query"].get("type")
    elif kind in ("ShowTablesQuery", "ShowColumnsQuery"):
        _vet_show(tree)
        return
    if kind not in ("SelectWithUnionQuery", "SelectIntersectExceptQuery"):
        raise _denied(f"only SELECT, EXPLAIN, SHOW, DESCRIBE and EXISTS are allowed for this login, not {kind}")
    _Walk(vocabulary, catalog).node(tree)


def _vet_show(tree: Mapping[str, Any]) -> None:
    _refuse_outfile(tree)
    allowed = {"type", "databases", "like", "not_like", "case_insensitive_like", "from", "table", "database"}
    allowed |= {"full", "extended", "limit_length", "format_ast"}
    for key, value in tree.items():
        simple = not isinstance(value, dict) or value.get("type") in ("Identifier", "Literal")
        if value and (key not in allowed or not simple):
            raise _denied(f"SHOW with {key} is not allowed for this login")
    origin = tree.get("from") or tree.get("database") or DATABASE
    name = origin.get("name") if isinstance(origin, dict) else origin
    if name != DATABASE:
        raise _denied(f"database {name} is not open to this login")


def _refuse_outfile(node: Mapping[str, Any]) -> None:
    for key in node:
        if ("outfile" in key or "out_file" in key or key.startswith("compression")) and node[key]:
            raise _denied("INTO OUTFILE is not allowed over HTTP")


def _denied(text: str) -> ServerError:
    return ServerError(ACCESS_DENIED, text)


class _Walk:
    """Visits every node of a SELECT; an unknown one is refused."""

    def __init__(self, vocabulary: Vocabulary, catalog: Catalog) -> None:
        self._vocabulary = vocabulary
        self._catalog = catalog

    def value(self, value: Any, key: str = "") -> None:
        """Walk lists and nodes; scalars are inert."""
        if isinstance(value, dict):
            # A field without a type is data: the value of a literal, a pair of names.
            if "type" in value:
                self.node(value, key)
            else:
                for name, inner in value.items():
                    self.value(inner, name)
        elif isinstance(value, list):
            for inner in value:
                self.value(inner, key)

    def node(self, node: Mapping[str, Any], key: str = "") -> None:
        """Check one node by its type, then everything below it."""
        kind = node["type"]
        if kind == "Function":
            self._function(str(node.get("name", "")), table=key == "table_function")
            self._right_of_in(node)
        elif kind == "TableIdentifier":
            self._table(node)
        elif kind == "Identifier":
            self._identifier(node)
        elif kind == "QueryParameter":
            if str(node.get("param_type")).lower() == "identifier":
                raise _denied("a parameter of type Identifier is not allowed for this login")
        elif kind == "ColumnsApplyTransformer":
            if node.get("func_name"):
                self._function(str(node["func_name"]), table=False)
        elif kind == "SetQuery":
            raise ServerError(READONLY, "Cannot modify settings in a query: this login is read-only.")
        elif kind not in _PLAIN_NODES:
            raise _denied(f"{kind} is not allowed for this login")
        _refuse_outfile(node)
        for name, inner in node.items():
            self.value(inner, name)

    def _function(self, name: str, *, table: bool) -> None:
        if table:
            if name.lower() in _TABLE_FUNCTIONS or name.removeprefix(f"{DATABASE}.") in self._catalog.views():
                return
            raise _denied(f"table function {name} is not allowed for this login")
        if not self._vocabulary.knows(name):
            raise _denied(f"function {name} is not allowed for this login")

    def _right_of_in(self, node: Mapping[str, Any]) -> None:
        """`x IN db.table` names a table by a plain identifier."""
        if not _IN.match(str(node.get("name", ""))):
            return
        for argument in ((node.get("arguments") or {}).get("children") or [])[1:]:
            parts = argument.get("name_parts") or []
            if argument.get("type") == "Identifier" and len(parts) > 1 and not _open_table(parts):
                raise _denied(f"{argument.get('name')} is not open to this login")

    def _table(self, node: Mapping[str, Any]) -> None:
        parts = node.get("name_parts") or [node.get("name", "")]
        # A UUID would win over the name.
        if any("uuid" in key for key in node) or not all(_NAME.match(str(part)) for part in parts):
            raise _denied(f"table name {node.get('name')!r} is not allowed for this login")
        if len(parts) > 1 and not _open_table(parts):
            raise _denied(f"table {node.get('name')} is not open to this login")

    def _identifier(self, node: Mapping[str, Any]) -> None:
        # Where a table could be meant, `_function` decides; this is for the databases that a column never names.
        parts = node.get("name_parts") or []
        if len(parts) > 1 and str(parts[0]).lower() in _FOREIGN and not _open_table(parts):
            raise _denied(f"{node.get('name')} is not open to this login")


def _open_table(parts: Sequence[Any]) -> bool:
    database, table = parts if len(parts) == 2 else ("", "")
    return database == DATABASE or (database == "system" and table in _SYSTEM_TABLES)
