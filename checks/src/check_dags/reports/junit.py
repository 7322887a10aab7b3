"""JUnit XML, as CodeBuild's report groups and most CI systems read it."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from check_dags.findings import Case, CheckResult, Finding, Report

# XML 1.0 has no way to write these.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """A suite for each check, and a case for each of its parts and findings."""
    root = ElementTree.Element("testsuites", name="check-dags")
    for result in report.results:
        cases = [*_cases(result)]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=result.name,
            tests=str(len(cases)),
            failures=str(sum(bool(case.failure) for case in cases)),
            errors="0",
            skipped=str(sum(bool(case.skipped) for case in cases)),
            time=f"{result.seconds:.3f}",
        )
        for case in cases:
            _add(suite, result.name, case)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _cases(result: CheckResult) -> Iterator[Case]:
    if result.skipped:
        yield Case(result.name, skipped=result.skipped)
        return
    yield from result.cases
    told = {case.path for case in result.cases if case.failure}
    others = [each for each in result.errors if each.path not in told or not each.path]
    for each in others:
        yield Case(_name(each), failure=str(each), path=each.path, line=each.line)
    if not result.cases and not others:
        yield Case(result.name, result.seconds)


def _name(finding: Finding) -> str:
    return f"{finding.rule} {finding.place}".strip()


def _add(suite: ElementTree.Element, check: str, case: Case) -> None:
    attributes = {"classname": check, "name": _text(case.name), "time": f"{case.seconds:.3f}"}
    if case.path:
        attributes["file"] = _text(case.path)
    if case.line is not None:
        attributes["line"] = str(case.line)
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.failure:
        first = _text(case.failure).strip().splitlines()[0]
        ElementTree.SubElement(element, "failure", message=first).text = _text(case.failure)
    elif case.skipped:
        ElementTree.SubElement(element, "skipped", message=_text(case.skipped))


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)
