"""What the parse of a DAG file depends on, as far as its source tells.

`ParseInputs` says for each DAG file of a release

- its digest: the content of the file, of every module of the release that it imports, directly or
  not, and of the files that are not Python source and may be its templates, since Airflow reads
  templates when it parses. The same digest gives the same DAGs;
- whether it is dynamic: its parse may give other DAGs from the same source, because what runs at
  import uses a Variable, a Connection, the environment, the time, chance, a file, the network, or
  something that this module does not know. A file that is not Python source is dynamic.

A comment decides where the source is misjudged: `# dag-parsing: dynamic`, or `static`. A file that
is static by its comment may read any file of the release.

A template is named in the source, with its extension or at least a variable that has it: "a.sql",
f"{name}.sql", `Extension.SQL`. So a file may be a template of those in whose text, or in that of
their modules, its extension is a word. A file without an extension may be a template of all.

Everything here errs towards dynamic: a dynamic file is parsed as Airflow does it. What only tasks
run is not looked at: functions that nothing calls at import, among them those of Airflow's `@task`
and of `python_callable`, and the methods by which an operator executes. Names are compared without
regard to where they are defined, across all modules that a file imports.

What cannot be seen: an operator of an installed package that looks outside when it is created, or
has the name of a template in its own code; and an object of Airflow that changes its result without
one of the names below. The slow re-read of `patches.dag_processor.settled_files` finds these.
"""

import ast
import functools
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

_WORDS: Final = re.compile(rb"[0-9a-z]+")
_MARK: Final = re.compile(rb"^[^\S\n]*#\s*dag-parsing:\s*(dynamic|static)\b", re.MULTILINE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules whose functions give the same result each time, except what `_CHANGING` lists.
_STEADY: Final = _words(
    """
    __future__ abc ast base64 binascii bisect calendar collections contextlib copy
    dataclasses datetime dateutil decimal enum fractions functools hashlib heapq html inspect
    itertools json keyword logging math numbers operator pathlib pendulum posixpath pprint re
    shlex statistics string textwrap traceback types typing typing_extensions unicodedata warnings
    zoneinfo
    """
)
# The same of Airflow: what DAG files are written with. The rest may ask the database.
_STEADY_OF_AIRFLOW: Final = (
    "airflow.sdk", "airflow.configuration", "airflow.datasets", "airflow.decorators",
    "airflow.exceptions", "airflow.lineage", "airflow.macros", "airflow.models.baseoperator",
    "airflow.models.dag.DAG", "airflow.models.mappedoperator", "airflow.models.param",
    "airflow.models.xcom_arg", "airflow.models.DAG", "airflow.models.BaseOperator",
    "airflow.models.Param", "airflow.models.Variable", "airflow.models.Connection", "airflow.DAG",
    "airflow.Asset", "airflow.Dataset", "airflow.notifications", "airflow.operators",
    "airflow.sensors", "airflow.timetables", "airflow.triggers", "airflow.utils.dates",
    "airflow.utils.edgemodifier", "airflow.utils.email", "airflow.utils.helpers",
    "airflow.utils.setup_teardown", "airflow.utils.state", "airflow.utils.task_group",
    "airflow.utils.timezone", "airflow.utils.trigger_rule", "airflow.utils.types",
    "airflow.utils.weight_rule",
)  # fmt: skip
# The same of Airflow's providers, by the third or a later part of the module's name.
_STEADY_OF_PROVIDERS: Final = _words(
    "operators sensors transfers decorators notifications notifiers triggers links"
)
# Names that stand for the world outside, whatever they are attributes of.
_CHANGING: Final = _words(
    """
    Variable Connection BaseHook Session create_session provide_session settings DagBag DBDagBag
    DagRun DagModel TaskInstance XCom ObjectStoragePath SecretCache now today utcnow yesterday
    tomorrow days_ago ago from_now open eval exec input __import__ environ getenv get_connection
    read_text read_bytes read iterdir glob rglob walk scandir listdir exists is_file is_dir stat
    lstat resolve cwd home expanduser read_csv load_module import_module import_string getmembers
    currentframe stack getattr attrgetter methodcaller
    """
)
# What may be used of `os`: string functions.
_STEADY_OF_OS: Final = _words(
    """
    path join dirname basename abspath normpath splitext split sep pardir curdir fspath
    """
)
# Keywords of operators and DAGs whose functions run in tasks or callbacks.
_RUN_LATER: Final = _words(
    """
    python_callable on_execute_callback on_failure_callback on_success_callback on_retry_callback
    on_skipped_callback sla_miss_callback execution_date_fn logical_date_fn pre_execute
    post_execute response_check response_filter user_defined_macros user_defined_filters
    """
)
# What takes them besides operators and DAGs, whose names begin with a capital letter.
_TAKE_RUN_LATER: Final = _words("dag task task_group setup teardown partial override dict")
_TASK_DECORATORS: Final = _words("task setup teardown")
# Functions that an import calls without their name.
_CALLED_UNSEEN: Final = _words("__getattr__ __dir__")
# Methods of operators and sensors that run in tasks.
_METHODS_OF_TASKS: Final = _words(
    """
    execute execute_complete poke on_kill resume_execution pre_execute post_execute
    """
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """`dynamic` is the reason, for a log; empty for a file whose digest tells everything."""

    digest: str
    dynamic: str = ""


@dataclass(slots=True)
class _Source:
    """One Python file; `imports` are names of modules, by which it may depend on other files."""

    imports: set[str] = field(default_factory=set)
    # Names that the module's top level uses, with the line.
    used: dict[str, int] = field(default_factory=dict)
    # The same for each function and class, by its bare name.
    bodies: dict[str, dict[str, int]] = field(default_factory=dict)
    # Names that are bound to something outside of the steady modules.
    foreign: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    problem: str = ""
    # Whether its text has these extensions.
    mentions: dict[str, bool] = field(default_factory=dict)


class ParseInputs:
    """Of one release's folder. `hashes` are those of all its files, by path."""

    def __init__(
        self, folder: Path, hashes: Mapping[str, str], read: dict[str, "_Source"] | None = None
    ) -> None:
        self._folder = folder
        self.hashes = hashes
        # By content, so that the next release reads only what has changed.
        self._sources = {} if read is None else read
        for key in self._sources.keys() - {_key(*each) for each in hashes.items()}:
            del self._sources[key]
        self._by_module: dict[str, list[str]] = {}
        self._in_package: dict[str, list[str]] = {}
        for path in hashes:
            if path.endswith(".py"):
                for name in modules_of(path):
                    self._by_module.setdefault(name, []).append(path)
                    self._in_package.setdefault(name.rpartition(".")[0], []).append(path)
        data: dict[str, dict[str, str]] = {"": {}}
        for path, sha in hashes.items():
            if not path.endswith(".py"):
                data.setdefault(_extension(path), {})[path] = sha
        # By extension.
        self._data = {extension: _digest(files) for extension, files in data.items()}
        # What a file certainly gets by this name: an installed package comes first.
        self._own = {
            ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")
            for path in hashes
            if path.endswith(".py")
        }
        self._own |= {".".join(PurePosixPath(path).parts[:-1]) for path in hashes} - {""}

    def of(self, path: str) -> Inputs | None:
        """Of this file; None if the release has no such file."""
        if path not in self.hashes:
            return None
        if not path.endswith(".py"):
            return Inputs(_digest(self._data), "is not Python source")
        reached = self._reached(path)
        data = self._data if self._source(path).mark else self._possible_templates(reached)
        digest = _digest(data | {each: self.hashes[each] for each in reached})
        return Inputs(digest, self._reason(path, reached))

    def _possible_templates(self, reached: Iterable[str]) -> dict[str, str]:
        return {
            extension: digest
            for extension, digest in self._data.items()
            if not extension or any(self._mentions(each, extension) for each in reached)
        }

    def _mentions(self, path: str, extension: str) -> bool:
        mentions = self._source(path).mentions
        if extension not in mentions:
            words = set(_WORDS.findall((self._folder / path).read_bytes().lower()))
            mentions.update({each: each.encode() in words for each in self._data})
        return mentions[extension]

    def _reached(self, path: str) -> set[str]:
        reached: set[str] = set()
        left = [path]
        while left:
            current = left.pop()
            if current in reached:
                continue
            reached.add(current)
            for name in self._source(current).imports:
                package = name.removesuffix(".*")
                if package != name:
                    # `__all__` may name any module of it.
                    left.extend(self._in_package.get(package, ()))
                for each in _with_packages(package):
                    left.extend(self._by_module.get(each, ()))
        return reached

    def _reason(self, path: str, reached: Iterable[str]) -> str:
        sources = {each: self._source(each) for each in reached}
        if mark := sources[path].mark:
            return "its comment says so" if mark == "dynamic" else ""
        for each, source in sources.items():
            if source.problem or source.mark == "dynamic":
                return f"{each}: {source.problem or 'its comment says so'}"
        for each, name, line in _run_at_import(sources):
            if why := self._why(sources[each], name):
                return f"{each}, line {line}: {why}"
        return ""

    def _why(self, source: _Source, name: str) -> str:
        if name in _CHANGING or name.endswith(("Hook", "_hook", "Client")):
            return f"uses {name} when it is imported"
        module = source.foreign.get(name, "")
        if module and not self._is_own(module):
            return f"uses {module} when it is imported"
        return ""

    def _is_own(self, module: str) -> bool:
        """Whether it is a module of the release, or a name in one."""
        package = module.partition(".")[0]
        known = package in self._own or module in self._own
        return known and not _is_importable(package)

    def _source(self, path: str) -> _Source:
        key = _key(path, self.hashes[path])
        if key not in self._sources:
            self._sources[key] = read(path, (self._folder / path).read_bytes())
        return self._sources[key]


@functools.cache
def _is_importable(package: str) -> bool:
    """Whether the image has a package of this name."""
    return package in sys.stdlib_module_names or importlib.util.find_spec(package) is not None


def modules_of(path: str) -> set[str]:
    """The names by which other files may import this one.

    They may begin with any folder of its path, not only the first: a DAG may have added one to
    sys.path.
    """
    *folders, name = PurePosixPath(path).parts
    stem = name.partition(".")[0]
    names = folders if stem == "__init__" else [*folders, stem]
    return {".".join(names[start:]) for start in range(len(names))}


def _key(path: str, sha256: str) -> str:
    return f"{path}\0{sha256}"


def _extension(path: str) -> str:
    extension = PurePosixPath(path).suffix.removeprefix(".").lower()
    return extension if _WORDS.fullmatch(extension.encode()) else ""


def _with_packages(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()


def read(path: str, data: bytes) -> _Source:
    """What the source of one file says."""
    source = _Source()
    if mark := _MARK.search(data):
        source.mark = mark[1].decode()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        source.problem = "cannot be read"
        return source
    _Reader(source, PurePosixPath(path)).read(tree)
    return source


def _run_at_import(sources: Mapping[str, _Source]) -> Iterator[tuple[str, str, int]]:
    """File, name and line of everything that is used when the first file is imported."""
    left = [(path, source.used) for path, source in sources.items()]
    reached: set[str] = set()
    while left:
        path, used = left.pop()
        for name, line in used.items():
            yield path, name, line
            if name in reached:
                continue
            reached.add(name)
            left.extend(
                (each, source.bodies[name])
                for each, source in sources.items()
                if name in source.bodies
            )


class _Reader:
    def __init__(self, source: _Source, path: PurePosixPath) -> None:
        self._source = source
        self._package = ".".join(path.parts[:-1])
        # Names of Airflow's decorators whose functions run in tasks.
        self._task_decorators: set[str] = set()

    def read(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
        self._body(tree.body, self._source.used)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._source.imports.add(alias.name)
                if alias.asname and alias.name == "os":
                    self._source.foreign[alias.asname] = "os"
                self._bind(alias.asname or alias.name.partition(".")[0], alias.name)
            return
        module = node.module or ""
        if node.level:
            parents = self._package.split(".") if self._package else []
            package = parents[: len(parents) - node.level + 1]
            module = ".".join([*package, *filter(None, [module])])
        for alias in node.names:
            name = f"{module}.{alias.name}".strip(".")
            self._source.imports.add(name)
            if module.partition(".")[0] == "airflow" and alias.name in _TASK_DECORATORS:
                self._task_decorators.add(alias.asname or alias.name)
            if alias.name in _CHANGING or alias.name.endswith(("Hook", "Client")):
                # Under whichever name the file uses it.
                self._source.foreign[alias.asname or alias.name] = name
            self._bind(alias.asname or alias.name, name)
            if alias.name == "*" and not _is_steady(module):
                self._source.used.setdefault(module.partition(".")[0], node.lineno)
                self._source.foreign.setdefault(module.partition(".")[0], module)

    def _bind(self, name: str, module: str) -> None:
        if module == "os" or (name == "os" and module == "os.path"):
            # What is used of it decides.
            return
        steady = module.startswith("os.path.") and module.rpartition(".")[2] in _STEADY_OF_OS
        if not _is_steady(module) and not steady:
            self._source.foreign.setdefault(name, module)

    def _body(self, statements: Iterable[ast.AST], used: dict[str, int]) -> None:
        for statement in statements:
            self._node(statement, used)

    def _node(self, node: ast.AST, used: dict[str, int]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node, used)
        elif isinstance(node, ast.ClassDef):
            self._body([*node.decorator_list, *node.bases, *node.keywords], used)
            body = self._source.bodies.setdefault(node.name, {})
            # What a class does when it is defined, and what it may do when it is used.
            for each in node.body:
                if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._node(each, used)
                elif each.name not in _METHODS_OF_TASKS:
                    self._node(each, used)
                    self._body(each.body, body)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            pass
        elif isinstance(node, ast.Call):
            self._call(node, used)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _RUN_LATER:
                    self._given_for_later(value, used)
                else:
                    self._body(filter(None, (key, value)), used)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, used)
        else:
            if isinstance(node, ast.Name):
                used.setdefault(node.id, node.lineno)
            self._body(ast.iter_child_nodes(node), used)

    def _call(self, node: ast.Call, used: dict[str, int]) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        takes = called in _TAKE_RUN_LATER or called[:1].isupper()
        self._body([node.func, *node.args], used)
        for keyword in node.keywords:
            if takes and keyword.arg in _RUN_LATER:
                self._given_for_later(keyword.value, used)
            else:
                self._node(keyword.value, used)

    def _given_for_later(self, given: ast.expr, used: dict[str, int]) -> None:
        for value in given.elts if isinstance(given, ast.List | ast.Tuple) else [given]:
            # A function that is named there is not called when the file is imported.
            if not isinstance(value, ast.Name | ast.Attribute | ast.Lambda):
                self._node(value, used)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, used: dict[str, int]) -> None:
        self._body([*node.decorator_list, node.args], used)
        if node.name in _CALLED_UNSEEN:
            used.setdefault(node.name, node.lineno)
        if any(self._is_task(each) for each in node.decorator_list):
            # Its body runs in a task; calling it makes one.
            return
        if node.decorator_list:
            # A decorator may call it, as @dag and @task_group do.
            self._body(node.body, used)
            return
        self._body(node.body, self._source.bodies.setdefault(node.name, {}))

    def _attribute(self, node: ast.Attribute, used: dict[str, int]) -> None:
        used.setdefault(node.attr, node.lineno)
        inner = node.value
        if _is_of_os(inner) and node.attr not in _STEADY_OF_OS:
            used.setdefault("environ", node.lineno)
        elif not (isinstance(inner, ast.Name) and inner.id == "os"):
            self._node(inner, used)

    def _is_task(self, decorator: ast.expr) -> bool:
        """`@task`, `@task(...)`, `@task.docker`, and so on, of Airflow."""
        while isinstance(decorator, ast.Call | ast.Attribute):
            decorator = decorator.func if isinstance(decorator, ast.Call) else decorator.value
        return isinstance(decorator, ast.Name) and decorator.id in self._task_decorators


def _is_steady(module: str) -> bool:
    """Whether what this module or this name in a module gives is the same each time."""
    parts = module.split(".")
    if parts[0] != "airflow":
        return parts[0] in _STEADY
    if parts[1:2] == ["providers"]:
        return not _STEADY_OF_PROVIDERS.isdisjoint(parts[3:])
    if parts[1:3] in (["sdk", "api"], ["sdk", "execution_time"]):
        return False
    return f"{module}.".startswith(tuple(f"{name}." for name in _STEADY_OF_AIRFLOW))


def _is_of_os(node: ast.expr) -> bool:
    """`os` and `os.path`."""
    if isinstance(node, ast.Attribute) and node.attr == "path":
        node = node.value
    return isinstance(node, ast.Name) and node.id == "os"
