"""Faults in the checks of a pipeline, and in the way from a commit to a release."""

from tests.mutation.mutant import Mutant

_RELEASES = (("tests/unit/checks/test_release_dags.py",),)
_GATE = (("tests/unit/checks/test_quality_gate.py",),)
_BAD = (("tests/unit/checks/test_bad_projects.py",),)
_CHECKS = "checks/src/check_dags"

FAULTS = (
    Mutant(
        "refusal-of-an-earlier-upload",
        "checks/src/release_dags/upload.py",
        'if report.get("upload") != upload.mark:',
        "if not report:",
        "a commit that was refused once can never be published again",
        _RELEASES,
    ),
    Mutant(
        "upload-that-was-overtaken-counts-as-live",
        "checks/src/release_dags/upload.py",
        "pointer.upload == upload.mark and pointer.reason == upload.key:",
        "pointer.upload == upload.mark:",
        "a run of the pipeline succeeds although other files are live",
        _RELEASES,
    ),
    Mutant(
        "gate-of-another-commit",
        f"{_CHECKS}/quality_gate.py",
        'if self.commit == (revisions or [""])[0]:',
        "if self.commit in revisions:",
        "a commit passes because a later one does",
        _GATE,
    ),
    Mutant(
        "gate-that-is-open-when-the-service-is-down",
        f"{_CHECKS}/quality_gate.py",
        "level = Level.WARNING if down else Level.ERROR",
        "level = Level.WARNING",
        "a person who can stop the service can publish anything",
        _GATE,
    ),
    Mutant(
        "finding-of-the-baseline-that-counts-for-all",
        f"{_CHECKS}/security.py",
        "            known[mark] -= 1\n",
        "",
        "a line that was accepted once may be repeated anywhere in its file",
        _BAD,
    ),
    Mutant(
        "folder-of-tests-that-nobody-misses",
        f"{_CHECKS}/user_tests.py",
        "if missing := _missing(project):",
        "if missing := []:",
        "tests in a folder that was renamed no longer run, and nobody notices",
        _BAD,
    ),
    Mutant(
        "credentials-of-the-build-in-the-tests",
        f"{_CHECKS}/project.py",
        "            **inherited,\n",
        "            **os.environ,\n",
        "code of the repository gets the credentials of the pipeline",
        _BAD,
    ),
    Mutant(
        "link-that-runs-in-the-browser",
        "functions/contracts/dag_bucket.py",
        '        and (key != "url" or value.startswith("https://"))\n',
        "",
        "an upload puts a script behind the link of a version in Airflow's UI",
    ),
    Mutant(
        "link-of-a-version-that-is-not-checked",
        "images/airflow/src/airflow_on_fargate/patches/api_server/version_links.py",
        'if url.startswith("https://"):',
        "if url:",
        "an upload puts a script behind the link of a version in Airflow's UI",
    ),
    Mutant(
        "rollback-that-forgets-the-commit",
        "functions/publish_dags/history/promotion.py",
        "                origin=self._origin(wanted),\n",
        "",
        "after a rollback nobody sees which commit is live",
    ),
)
