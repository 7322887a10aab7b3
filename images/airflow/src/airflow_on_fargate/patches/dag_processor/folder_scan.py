"""Keep a file that cannot be read from ending the dag-processor's scan of the folder.

An archive that is encrypted, damaged or compressed in an unknown way, a line in an .airflowignore
file that is not a pattern, or one that is not UTF-8: each raises in the dag-processor's loop. The
process ends, starts, scans the folder, and ends again; no file is parsed. A pattern with several
wildcards, such as `*a*a*a*b`, takes minutes to compare with a long name.

With this patch such an archive is listed without its content, so that its parse becomes an import
error; such a line is skipped with a warning, as Airflow does with an invalid regular expression.
Patterns are matched as the publisher matches them, in linear time.
No upstream report is known. The text of one is docs/upstream/scanning-the-folder.md.
"""

import functools
import logging
import re
from typing import Any

from airflow_on_fargate.contracts.ignore_patterns import linear
from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)


def apply() -> None:
    """Surround the look into archives and the reading of ignore files."""
    require("apache-airflow", "3.3.2", "3.2.2")
    require("pathspec", "1.1.1")
    from airflow._shared.module_loading import file_discovery
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(DagFileProcessorManager, "_get_observed_filelocs", _one_by_one)
    replace(file_discovery._GlobIgnoreRule, "compile", _skipping)
    # Shadows the built-in function in this module, which opens nothing but ignore files.
    file_discovery.open = functools.partial(open, encoding="utf-8", errors="replace")


def _one_by_one(original: Any) -> Any:
    def _get_observed_filelocs(self: Any, present: set[Any]) -> set[str]:
        # With the archives themselves: they have import errors too.
        observed = {str(file.rel_path) for file in present}
        for file in present:
            try:
                observed |= original(self, {file})
            except Exception:
                log.exception("Could not look into %s", file.rel_path)
        return observed

    return _get_observed_filelocs


def _skipping(original: Any) -> Any:
    def compile_pattern(pattern: str, base_dir: Any, definition_file: Any) -> Any:
        try:
            rule = original(pattern, base_dir, definition_file)
            if rule is not None and rule.wild_match_pattern.regex is not None:
                expression = rule.wild_match_pattern.regex.pattern
                rule.wild_match_pattern.regex = re.compile(linear(expression))
            return rule
        except Exception as error:
            log.warning("Ignoring invalid pattern %r in %s: %s", pattern, definition_file, error)
            return None

    return compile_pattern
