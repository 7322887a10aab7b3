"""Which queues the tasks of a file certainly ask for, and which of them cannot be used there.

Only literals count: `queue="gpu"` of an operator or sensor of Airflow (also of its `partial`), of
`@task` and its variants, of `override` on a function that `@task` decorates, and in the literal
`default_args` of a DAG or task group. Airflow, not a name alone, decides what an operator is: calls
of other packages (pika, celery, a module of the release) may have a `queue` of their own. So may
operators in `_OWN_MEANING`. Code behind a condition or in a `try` is not looked at, as it may be
meant for another environment. Both are warnings: the other tasks of the file run.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from contracts.queues import lies_in_folder_of
from publish_dags.checks.problems import Problem

_TASK_DECORATORS = frozenset(
    {
        "airflow.decorators.task",
        "airflow.sdk.task",
        "airflow.sdk.definitions.decorators.task",
    }
)
# What takes `default_args`, besides the classes.
_WITH_DEFAULTS = frozenset({"DAG", "TaskGroup", "dag", "task_group"})
# Their `queue` is one of Yarn or of another system.
_OWN_MEANING = frozenset({"LivyOperator", "SparkSubmitOperator"})
# A stub's task runs elsewhere.
_NO_TASK_HERE = frozenset({"stub"})
# With these a dictionary changes after its literal.
_CHANGING = frozenset({"clear", "pop", "popitem", "setdefault", "update"})

# Whether their content runs in this environment is not certain.
_CONDITIONAL = (ast.If, ast.IfExp, ast.Try, ast.TryStar, ast.While, ast.Match, ast.BoolOp)
_MAX_NAME = 100


def literal_queues(tree: ast.Module) -> dict[str, int]:
    """Each queue that a task of the file certainly asks for, with the first line."""
    names = _Names(tree)
    found: dict[str, int] = {}
    for call in _calls(tree):
        for value in _queue_values(call, names):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                line = min(value.lineno, found.get(value.value, value.lineno))
                found[value.value] = line
    return dict(sorted(found.items(), key=lambda each: each[1]))


def unknown_queues(
    asked: Mapping[str, Mapping[str, int]], queues: Sequence[str]
) -> Iterator[Problem]:
    """A warning for each queue that the stack does not have, by file and line."""
    known = ", ".join(queues)
    for path, names in sorted(asked.items()):
        for name, line in sorted(names.items(), key=lambda each: each[1]):
            if name not in queues:
                shown = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
                yield Problem(
                    path,
                    f"uses the queue {shown!r}, which the stack does not have (the queues are "
                    f"{known})",
                    line,
                )


def foreign_queues(
    asked: Mapping[str, Mapping[str, int]], isolated: Sequence[str]
) -> Iterator[Problem]:
    """A warning for each isolated queue that a DAG file outside its folder asks for."""
    for path, names in sorted(asked.items()):
        for name, line in sorted(names.items(), key=lambda each: each[1]):
            if name in isolated and not lies_in_folder_of(name, path):
                yield Problem(
                    path,
                    f"uses the isolated queue {name!r}, whose workers run only the DAG files in "
                    f"{name}/: these tasks will fail",
                    line,
                )


class _Names:
    """What the names of a file mean, as far as every binding of a name means the same."""

    def __init__(self, tree: ast.Module) -> None:
        self._paths: dict[str, set[str]] = {}
        self._dicts: dict[str, ast.expr] = {}
        self._task_functions: set[str] = set()
        bindings: dict[str, int] = {}
        other: set[str] = set()
        hidden = False
        for node in ast.walk(tree):
            for name, path in _imported(node):
                hidden = hidden or name == "*"
                bindings[name] = bindings.get(name, 0) + 1
                self._paths.setdefault(name, set()).add(path)
            for name in _bound(node):
                bindings[name] = bindings.get(name, 0) + 1
                other.add(name)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self._dicts[target.id] = node.value
        if hidden:
            # Any name may mean something else.
            self._paths, self._dicts = {}, {}
        for name in other:
            self._paths.pop(name, None)
        changed = {name for node in ast.walk(tree) for name in _changed(node)}
        self._dicts = {
            name: value
            for name, value in self._dicts.items()
            if bindings[name] == 1 and name not in changed
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and bindings[node.name] == 1
            ):
                decorators = [
                    each.func if isinstance(each, ast.Call) else each
                    for each in node.decorator_list
                ]
                if any(self.is_task_decorator(each) for each in decorators):
                    self._task_functions.add(node.name)

    def paths(self, expression: ast.expr) -> set[str]:
        """The dotted paths that an expression may mean; empty if that is not certain."""
        if isinstance(expression, ast.Name):
            return self._paths.get(expression.id, set())
        if isinstance(expression, ast.Attribute):
            return {f"{path}.{expression.attr}" for path in self.paths(expression.value)}
        return set()

    def is_task_decorator(self, expression: ast.expr) -> bool:
        """`task`, or one of its attributes such as `task.bash`."""
        paths = self.paths(expression)
        return bool(paths) and all(
            path in _TASK_DECORATORS
            or (
                path.rpartition(".")[0] in _TASK_DECORATORS
                and path.rpartition(".")[2] not in _NO_TASK_HERE
            )
            for path in paths
        )

    def is_operator(self, expression: ast.expr) -> bool:
        return self._are_airflows(
            expression,
            lambda name: name.endswith(("Operator", "Sensor")) and name not in _OWN_MEANING,
        )

    def takes_defaults(self, expression: ast.expr) -> bool:
        return self._are_airflows(expression, lambda name: name in _WITH_DEFAULTS)

    def is_task_function(self, expression: ast.expr) -> bool:
        return isinstance(expression, ast.Name) and expression.id in self._task_functions

    def dictionary(self, expression: ast.expr) -> ast.expr:
        """The value of a name that is bound once, otherwise the expression itself."""
        if isinstance(expression, ast.Name):
            return self._dicts.get(expression.id, expression)
        return expression

    def _are_airflows(self, expression: ast.expr, fits: Callable[[str], bool]) -> bool:
        paths = self.paths(expression)
        return bool(paths) and all(
            path.startswith("airflow.") and fits(path.rpartition(".")[2]) for path in paths
        )


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that are not behind a condition."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, _CONDITIONAL):
            left.extend(ast.iter_child_nodes(node))


def _queue_values(call: ast.Call, names: _Names) -> Iterator[ast.expr]:
    function, keywords = call.func, {each.arg: each.value for each in call.keywords}
    if "executor" in keywords:
        # Another executor may have queues of its own.
        return
    if "queue" in keywords and _makes_a_task(function, names):
        yield keywords["queue"]
    if "default_args" in keywords and (
        names.takes_defaults(function) or names.is_operator(function)
    ):
        entries = dict(_entries(names.dictionary(keywords["default_args"])))
        if "queue" in entries and "executor" not in entries:
            yield entries["queue"]


def _makes_a_task(function: ast.expr, names: _Names) -> bool:
    if names.is_operator(function) or names.is_task_decorator(function):
        return True
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value
    if function.attr == "partial":
        return names.is_operator(owner) or names.is_task_function(owner)
    return function.attr == "override" and names.is_task_function(owner)


def _entries(dictionary: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The entries of `{"queue": …}` or `dict(queue=…)`; none if something is unpacked after it."""
    if isinstance(dictionary, ast.Dict):
        pairs = zip(dictionary.keys, dictionary.values, strict=True)
        keys = [key.value if isinstance(key, ast.Constant) else None for key, _ in pairs]
        found = list(zip(keys, dictionary.values, strict=True))
    elif isinstance(dictionary, ast.Call) and isinstance(dictionary.func, ast.Name):
        if dictionary.func.id != "dict" or dictionary.args:
            return
        found = [(each.arg, each.value) for each in dictionary.keywords]
    else:
        return
    if all(isinstance(key, str) for key, _ in found):
        yield from ((str(key), value) for key, value in found)


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with its path."""
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            yield alias.asname or alias.name, f"{module}.{alias.name}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, alias.name if alias.asname else top


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds otherwise."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _changed(node: ast.AST) -> Iterator[str]:
    """The name of a dictionary of which a node changes the content."""
    by_item = isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
    by_method = isinstance(node, ast.Attribute) and node.attr in _CHANGING
    if (by_item or by_method) and isinstance(owner := getattr(node, "value", None), ast.Name):
        yield owner.id
