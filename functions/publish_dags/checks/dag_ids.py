"""The ids of the DAGs that Airflow certainly finds in a file, from its text, without running it.

Airflow finds the DAGs that a global of the module holds, and those that were used in a `with`
statement (or made by a decorated function) unless `auto_register` is false. Only code that every
import runs is counted, and only literal ids. Whatever may be otherwise (a DAG in a function, in a
loop or behind a condition; a name that is bound again; a class of another package; a module that
may raise) is left to Airflow: a file must never stay out for a DAG that would not have existed.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

_DAG_CLASSES = frozenset(
    {
        "airflow.DAG",
        "airflow.sdk.DAG",
        "airflow.sdk.definitions.dag.DAG",
        "airflow.models.DAG",
        "airflow.models.dag.DAG",
    }
)
_DAG_DECORATORS = frozenset(
    {
        "airflow.decorators.dag",
        "airflow.sdk.dag",
        "airflow.sdk.definitions.dag.dag",
        "airflow.models.dag.dag",
    }
)

# Airflow raises if an id has other characters or is longer.
_VALID_ID = re.compile(r"[\w.-]{1,250}")

# With these a module can bind names that its text does not show.
_INDIRECT = frozenset({"globals", "locals", "vars", "exec", "eval", "setattr", "delattr"})
_EXITS = frozenset({"exit", "quit", "sys.exit", "os._exit", "os.abort"})

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class _Dag:
    """A DAG, or what a decorated function makes at each call."""

    dag_id: str
    line: int
    registers: bool
    by_call: bool = False


# What a name of the module means: a dotted path in the airflow package, or a DAG.
_Meaning = str | _Dag


def dag_ids(tree: ast.Module) -> dict[str, int]:
    """Each id with its line."""
    if _may_stop_or_hide(tree):
        return {}
    return _Module(tree).found()


def _may_stop_or_hide(tree: ast.Module) -> bool:
    """Whether the module may raise or exit by its own text, or rename a DAG."""
    for node in _run_at_import(tree.body, classes=True):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and _dotted(node.func) in _EXITS:
            return True
        if isinstance(node, ast.ImportFrom) and any(each.name == "*" for each in node.names):
            return True
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("dag_id", "_dag_id", "auto_register")
        and not isinstance(node.ctx, ast.Load)
        for node in ast.walk(tree)
    )


class _Module:
    """Follows the statements of a module in order."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._meanings: dict[str, _Meaning] = {}
        self._registered: list[_Dag] = []
        # Which DAG a name holds now.
        self._held: dict[str, _Dag] = {}
        self._volatile = {
            name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names
        }

    def found(self) -> dict[str, int]:
        self._follow(self._tree.body)
        indirect = any(
            isinstance(node, ast.Name) and node.id in _INDIRECT for node in ast.walk(self._tree)
        )
        held = [] if indirect else list(self._held.values())
        seen = sorted([*self._registered, *held], key=lambda dag: dag.line)
        found: dict[str, int] = {}
        for dag in seen:
            if not _VALID_ID.fullmatch(dag.dag_id):
                # Airflow cannot import the file.
                return {}
            found.setdefault(dag.dag_id, dag.line)
        return found

    def _follow(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._imported(statement)
            elif isinstance(statement, ast.Try):
                self._tried(statement)
            elif isinstance(statement, ast.With):
                self._entered(statement)
            elif isinstance(statement, ast.FunctionDef):
                factory = self._factory(statement)
                self._bind([statement.name], factory)
            elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                targets = (
                    statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                )
                dag = self._dag(statement.value)
                self._forget(statement)
                if all(isinstance(target, ast.Name) for target in targets):
                    self._bind([t.id for t in targets if isinstance(t, ast.Name)], dag)
            elif isinstance(statement, ast.Expr):
                self._dag(statement.value)
                self._forget(statement)
            else:
                self._forget(statement)

    def _imported(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, meaning in _imports(statement):
            self._bind([name], meaning)

    def _tried(self, statement: ast.Try) -> None:
        """An import with an alternative in each handler is as good as one import."""
        branches = [statement.body, *(handler.body for handler in statement.handlers)]
        self._forget(statement)
        if statement.orelse or statement.finalbody or len(branches) == 1:
            return
        if not all(isinstance(each, ast.Import | ast.ImportFrom) for b in branches for each in b):
            return
        bound = [
            dict(pair for each in branch for pair in _imports(cast("ast.ImportFrom", each)))
            for branch in branches
        ]
        for name, path in bound[0].items():
            for kind in (_DAG_CLASSES, _DAG_DECORATORS):
                if all(each.get(name) in kind for each in bound):
                    self._bind([name], path)

    def _entered(self, statement: ast.With) -> None:
        certain = True
        for item in statement.items:
            dag = self._dag(item.context_expr)
            certain = certain and dag is not None
            names = list(_bindings([item]))
            if dag and dag.registers:
                self._registered.append(dag)
            self._bind(names, dag if isinstance(item.optional_vars, ast.Name) else None)
        if certain:
            self._follow(statement.body)
        else:
            # Another context manager may swallow an exception in its body.
            for each in statement.body:
                self._forget(each)

    def _dag(self, expression: ast.expr) -> _Dag | None:
        """The DAG that an expression certainly evaluates to."""
        if isinstance(expression, ast.Name):
            return self._held.get(expression.id)
        if not isinstance(expression, ast.Call):
            return None
        meaning_of = self._meaning(expression.func)
        if isinstance(meaning_of, _Dag) and meaning_of.by_call:
            made = _Dag(meaning_of.dag_id, meaning_of.line, meaning_of.registers)
            if made.registers:
                self._registered.append(made)
            return made
        if meaning_of in _DAG_CLASSES and (dag_id := _literal_id(expression)):
            return _Dag(dag_id, expression.lineno, _registers(expression))
        return None

    def _meaning(self, expression: ast.expr) -> _Meaning | None:
        if isinstance(expression, ast.Name):
            return self._meanings.get(expression.id)
        names = _dotted(expression).split(".")
        owner = self._meanings.get(names[0])
        if len(names) == 1:
            return owner
        return ".".join([owner, *names[1:]]) if isinstance(owner, str) else None

    def _factory(self, function: ast.FunctionDef) -> _Dag | None:
        """A decorated function creates its DAG when it is called."""
        if len(function.decorator_list) != 1:
            return None
        decorator = function.decorator_list[0]
        named = decorator.func if isinstance(decorator, ast.Call) else decorator
        if self._meaning(named) not in _DAG_DECORATORS:
            return None
        if any(isinstance(node, ast.Raise) for node in _run_at_import(function.body)):
            return None
        if not isinstance(decorator, ast.Call):
            return _Dag(function.name, function.lineno, True, by_call=True)
        if not decorator.args and all(each.arg != "dag_id" for each in decorator.keywords):
            # Unpacked keywords may contain the id.
            if any(each.arg is None for each in decorator.keywords):
                return None
            return _Dag(function.name, function.lineno, _registers(decorator), by_call=True)
        dag_id = _literal_id(decorator)
        return (
            _Dag(dag_id, decorator.lineno, _registers(decorator), by_call=True) if dag_id else None
        )

    def _bind(self, names: Sequence[str], meaning: _Meaning | None) -> None:
        for name in names:
            self._meanings.pop(name, None)
            self._held.pop(name, None)
            if meaning is None or name in self._volatile:
                continue
            if isinstance(meaning, _Dag) and not meaning.by_call:
                self._held[name] = meaning
            else:
                self._meanings[name] = meaning

    def _forget(self, statement: ast.stmt) -> None:
        self._bind(list(_bindings([statement])), None)


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str | None]]:
    """Each name that an import binds, with its path if that is in the airflow package."""
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            name, path = alias.asname or alias.name, f"{statement.module}.{alias.name}"
            ours = not statement.level
        else:
            top = alias.name.partition(".")[0]
            name, path = alias.asname or top, alias.name if alias.asname else top
            ours = True
        yield name, path if ours and path.partition(".")[0] == "airflow" else None


def _run_at_import(nodes: Sequence[ast.AST], classes: bool = False) -> Iterator[ast.AST]:
    """The nodes that an import of the module runs, or may run: no bodies of functions."""
    left = list(nodes)[::-1]
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, _FUNCTIONS) and (classes or not isinstance(node, ast.ClassDef)):
            left.extend(list(ast.iter_child_nodes(node))[::-1])


def _bindings(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The names of the module that these nodes may bind or delete."""
    for node in _run_at_import(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in _imports(node))
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _registers(call: ast.Call) -> bool:
    """Whether the DAG certainly registers itself when it is used in a `with` statement."""
    for keyword in call.keywords:
        if keyword.arg is None:
            return False
        if keyword.arg == "auto_register":
            return isinstance(keyword.value, ast.Constant) and bool(keyword.value.value)
    return True


def _literal_id(call: ast.Call) -> str | None:
    values = [each.value for each in call.keywords if each.arg == "dag_id"] or call.args[:1]
    if values and isinstance(values[0], ast.Constant) and isinstance(values[0].value, str):
        return values[0].value
    return None


def _dotted(expression: ast.expr) -> str:
    """`a.b.c`; an empty first name stands for what is not a name. No recursion: it may be long."""
    names = []
    while isinstance(expression, ast.Attribute):
        names.append(expression.attr)
        expression = expression.value
    names.append(expression.id if isinstance(expression, ast.Name) else "")
    return ".".join(reversed(names))
