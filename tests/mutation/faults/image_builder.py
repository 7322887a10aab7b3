"""Faults in the function that builds the image."""

from tests.mutation.mutant import Mutant

_FOLDER = "functions/build_image"

FAULTS = (
    Mutant(
        "layer-with-times",
        f"{_FOLDER}/layers/tar_layer.py",
        "    info.mode, info.mtime = mode, FIXED_TIME\n",
        "    import time\n\n    info.mode, info.mtime = mode, time.time()\n",
        "each build has another digest, and every deployment replaces all services",
    ),
    Mutant(
        "compiled-before-the-times",
        f"{_FOLDER}/parts.py",
        "        shutil.copy(source / name, target / name)\n    tar_layer.set_times(target)\n",
        "        shutil.copy(source / name, target / name)\n",
        "compiled files name another time, so Python compiles again at each start",
    ),
    Mutant(
        "script-of-the-builder",
        f"{_FOLDER}/layers/packages.py",
        'own_content = content.replace(f"{root}/".encode(), b"/")',
        "own_content = content",
        "no command of the image starts: its first line names the builder's folder",
    ),
    Mutant(
        "setuid-kept",
        f"{_FOLDER}/layers/system.py",
        "        plain.info.mode &= 0o1777\n",
        "        plain.info.mode &= 0o7777\n",
        "programs of the base image get another user's rights",
    ),
    Mutant(
        "tag-without-code",
        f"{_FOLDER}/source.py",
        "self.packages_key(), self.code_key(), self.user_key()",
        "self.packages_key(), self.user_key()",
        "a change of code is deployed with the former image",
    ),
    Mutant(
        "tag-with-the-commit",
        f"{_FOLDER}/source.py",
        "self.packages_key(), self.code_key(), self.user_key()",
        'self.packages_key(), self.code_key(), self.labels()["org.opencontainers.image.revision"]',
        "every commit builds an image and restarts everything",
    ),
    Mutant(
        "damaged-layer",
        f"{_FOLDER}/registry.py",
        '        if f"sha256:{sha.hexdigest()}" != layer.digest:\n',
        "        if False:\n",
        "a damaged download is read, and found only when the registry refuses it",
    ),
    Mutant(
        "endless-calls",
        f"{_FOLDER}/budget.py",
        "            if self.call >= MAX_CALLS:\n",
        "            if False:\n",
        "a build that never ends calls itself forever",
    ),
    Mutant(
        "lost-answer-of-a-part",
        f"{_FOLDER}/aws/ecr_repository.py",
        'if error_code(error) != "InvalidLayerPartException" or received != last:',
        'if error_code(error) != "InvalidLayerPartException":',
        "a part that is missing is taken for one that arrived",
    ),
    Mutant(
        "disk-left-full",
        f"{_FOLDER}/builder.py",
        "        finally:\n            shutil.rmtree(self.folder, ignore_errors=True)\n",
        "        finally:\n            pass\n",
        "the next call in the same environment finds a full disk",
    ),
    Mutant(
        "users-hashes-ignored",
        f"{_FOLDER}/checks/requirements_file.py",
        "        if hashes:\n",
        "        if False:\n",
        "a file that differs from the user's hash is installed",
    ),
    Mutant(
        "lock-for-other-pythons",
        f"{_FOLDER}/parts.py",
        "                pins = dict(modules.distributions)\n",
        "                pins = self.source.pins()\n",
        "a package that the lock file has for another Python is taken for installed",
    ),
    Mutant(
        "imports-not-looked-up",
        f"{_FOLDER}/parts.py",
        "if problems := import_problems(self.source.plugins, PLUGINS, modules):",
        "if problems := import_problems(self.source.plugins, PLUGINS, modules)[:0]:",
        "a plugin whose import fails is deployed",
    ),
    Mutant(
        "plugins-without-the-lock",
        f"{_FOLDER}/source.py",
        "if self.has_user_requirements() or self.has_plugins() else",
        "if self.has_user_requirements() else",
        "an update removes a module, and nobody looks up what the plugins import",
    ),
    Mutant(
        "compiler-killed",
        f"{_FOLDER}/uv.py",
        "            if done.returncode < 0:\n",
        "            if False:\n",
        "files without bytecode are in the image by chance",
    ),
    Mutant(
        "function-killed-first",
        f"{_FOLDER}/uv.py",
        '.write_text("1000")',
        '.write_text("0")',
        "where memory ends the function is killed, and CloudFormation waits for an hour",
    ),
    Mutant(
        "note-forgotten",
        f"{_FOLDER}/attempt.py",
        "    note.write_text(call)\n",
        "    pass\n",
        "a killed build is repeated and killed again, without a reason",
    ),
    Mutant(
        "constraints-ignored",
        f"{_FOLDER}/parts.py",
        'f"{name}=={pin}\\n" for name, pin in pins.items()',
        'f"{name}\\n" for name in pins',
        "a user's package silently brings another version of Airflow's own packages",
    ),
)
