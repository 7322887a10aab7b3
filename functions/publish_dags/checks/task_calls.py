"""What the tasks of a file certainly ask for, without running the file.

Only literals count: a keyword of an operator or sensor of Airflow (also of its `partial`), of
`@task` and its variants, of `override` on a function that `@task` decorates, and of the literal
`default_args` of a DAG or task group. Airflow, not a name alone, decides what an operator is: calls
of other packages (pika, celery, a module of the release) may have keywords of their own. So may
operators in `_OWN_MEANING`. Code behind a condition or in a `try` is not looked at, as it may be
meant for another environment.
"""

import ast
from collections.abc import Callable, Iterator, Mapping

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


def keywords_of_tasks(tree: ast.Module) -> Iterator[Mapping[str, ast.expr]]:
    """The keywords of each call that makes a task, or that gives defaults to tasks."""
    names = _Names(tree)
    for call in _calls(tree):
        keywords = {each.arg: each.value for each in call.keywords if each.arg}
        if _makes_a_task(call.func, names):
            yield keywords
        if "default_args" in keywords and (
            names.takes_defaults(call.func) or names.is_operator(call.func)
        ):
            yield dict(_entries(names.dictionary(keywords["default_args"])))


def text_of(value: ast.expr | None) -> str | None:
    """The text of a literal; None for everything else."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return None


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
