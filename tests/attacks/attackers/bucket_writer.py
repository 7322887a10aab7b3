"""Someone who may write files under dags/ and inbox/."""

from tests.attacks.attempt import Attacker, limited, refused

HOSTILE = "tests/unit/functions/publish_dags/test_hostile_files.py"
ZIP = "tests/unit/functions/publish_dags/test_zip_source.py"
MANIFEST = "tests/unit/functions/contracts/test_release_manifest.py"
SAYS = "is written to stop the publisher is reported and stays out"

ATTACKER = Attacker(
    name="Bucket writer",
    has="the right to write into the DAG bucket",
    attempts=(
        refused(
            "stop the publisher with a pattern of `.airflowignore`",
            f"{HOSTILE}::test_ignore_pattern_that_multiplies_attempts_is_matched_at_once",
            SAYS,
        ),
        refused(
            "stop it with too many patterns",
            f"{HOSTILE}::test_ignore_file_with_too_many_patterns_stays_out",
            SAYS,
        ),
        refused(
            "stop it with a file that takes all memory to parse",
            f"{HOSTILE}::test_python_file_that_is_too_large_to_be_parsed_stays_out",
            SAYS,
        ),
        refused(
            "stop it with source that is nested deeply",
            f"{HOSTILE}::test_deeply_nested_source_does_not_end_the_check",
            SAYS,
        ),
        limited(
            "keep it busy for its whole time",
            f"{HOSTILE}::test_refusal_is_written_when_checking_takes_too_long",
            SAYS,
        ),
        refused(
            "write outside the release with a name in a zip",
            f"{ZIP}::test_publishes_nothing_hostile_when_a_zip_is_hostile",
        ),
        refused(
            "publish links, devices and bombs with a zip (30 kinds)",
            f"{ZIP}::test_refuses_and_leaves_the_current_release_when_a_zip_is_hostile",
        ),
        refused(
            "hide a file behind another of its name in a zip",
            f"{ZIP}::test_refuses_a_zip_with_the_same_name_twice",
        ),
        refused(
            "forge a manifest whose files lie outside the release",
            f"{MANIFEST}::test_manifest_with_a_path_outside_its_folder_is_refused",
        ),
        refused(
            "forge a manifest with other hashes, sizes or fields",
            f"{MANIFEST}::test_manifest_with_an_invalid_hash_or_size_is_refused",
        ),
        refused(
            "forge the pointer to the current release",
            f"{MANIFEST}::test_bytes_that_are_not_a_pointer_are_refused",
        ),
        refused(
            "send an archive that differs from its manifest",
            "tests/unit/functions/contracts/test_release_pack.py::test_refuses_a_pack_with_a_flipped_bit",
        ),
        refused(
            "take over the DAG of another file",
            "tests/unit/functions/publish_dags/test_forgiving.py::test_the_copy_that_was_live_wins",
        ),
        refused(
            "run code with the role of another team, by naming its isolated queue",
            "tests/unit/image/patches/test_folder_of_queue.py::test_other_task_fails_before_it_starts",
            "a DAG file elsewhere that names the queue of another team fails before it is loaded",
        ),
        refused(
            "do so with a path that leads out of the folder of that team, or looks like it",
            "tests/unit/functions/contracts/test_queues.py::test_other_path_is_not_in_the_folder_of_the_queue",
        ),
        refused(
            "make the dag-processor fail on 40 kinds of faulty files",
            "tests/integration/image/test_parsing_of_any_file.py::test_each_fault_is_an_import_error_and_healthy_files_run",
        ),
    ),
)
