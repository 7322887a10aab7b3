"""The ids of the DAGs that a file certainly defines, found in its text without running it.

Only code that every import runs is counted, and only literal ids. A DAG in a function, in a loop,
behind a condition or with a computed id is left to Airflow: a file must never be refused for a DAG
that would not have existed.
"""

import ast
from collections.abc import Iterator


def dag_ids(tree: ast.Module) -> dict[str, int]:
    """Each id with its line."""
    found: dict[str, int] = {}
    decorated: dict[str, tuple[str, int]] = {}
    for statement in _certain(tree.body):
        if isinstance(statement, ast.FunctionDef):
            if definition := _decorated_dag(statement):
                decorated[statement.name] = definition
            continue
        for call in _calls(statement):
            if _name(call.func) == "DAG" and (dag_id := _literal_id(call)):
                found.setdefault(dag_id, call.lineno)
            # A decorated function creates its DAG when it is called.
            elif isinstance(call.func, ast.Name) and call.func.id in decorated:
                dag_id, line = decorated[call.func.id]
                found.setdefault(dag_id, line)
    return found


def _certain(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that every import runs, including the body of `with DAG(...)`."""
    for statement in body:
        if isinstance(statement, ast.With):
            yield statement
            yield from _certain(statement.body)
        elif isinstance(statement, ast.FunctionDef | ast.Assign | ast.AnnAssign | ast.Expr):
            yield statement


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    if isinstance(statement, ast.With):
        expressions: list[ast.expr] = [item.context_expr for item in statement.items]
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and statement.value:
        expressions = [statement.value]
    else:
        return
    for expression in expressions:
        if isinstance(expression, ast.Call):
            yield expression


def _decorated_dag(function: ast.FunctionDef) -> tuple[str, int] | None:
    for decorator in function.decorator_list:
        if _name(decorator) == "dag":
            return function.name, function.lineno
        if isinstance(decorator, ast.Call) and _name(decorator.func) == "dag":
            if not decorator.args and all(each.arg != "dag_id" for each in decorator.keywords):
                # Unpacked keywords may contain the id.
                named = all(each.arg is not None for each in decorator.keywords)
                return (function.name, function.lineno) if named else None
            dag_id = _literal_id(decorator)
            return (dag_id, decorator.lineno) if dag_id else None
    return None


def _literal_id(call: ast.Call) -> str | None:
    values = [each.value for each in call.keywords if each.arg == "dag_id"] or call.args[:1]
    if values and isinstance(values[0], ast.Constant) and isinstance(values[0].value, str):
        return values[0].value
    return None


def _name(expression: ast.expr) -> str | None:
    """`DAG` of `DAG`, `models.DAG` and `airflow.models.DAG`."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else None
