"""For people: a table of the checks, the findings with file and line, the slowest imports."""

from collections.abc import Iterator, Sequence

from check_dags.findings import Level, Report

_SLOWEST = 10


def table(report: Report) -> str:
    lines = [*_columns([("check", "result", "seconds", ""), *_rows(report)]), ""]
    if report.imports:
        lines += [*_columns([("slowest imports", "seconds", "MiB", "DAGs"), *_imports(report)]), ""]
    findings = [finding for result in report.results for finding in result.findings]
    shown = [each for each in findings if each.level is not Level.NOTE]
    lines += [str(each) for each in shown]
    errors = sum(each.level is Level.ERROR for each in shown)
    warnings = len(shown) - errors
    lines.append(f"{'FAILED' if report.failed else 'passed'}: {errors} errors, {warnings} warnings")
    return "\n".join(lines)


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.results:
        yield each.name, each.outcome, f"{each.seconds:.1f}", each.skipped or each.summary


def _imports(report: Report) -> Iterator[tuple[str, ...]]:
    slowest = sorted(report.imports, key=lambda each: -each.seconds)[:_SLOWEST]
    for each in slowest:
        yield each.path, f"{each.seconds:.2f}", f"{each.peak_mib:.0f}", str(len(each.dags))


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()
