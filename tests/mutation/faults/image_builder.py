"""Faults in the function that builds the image."""

from tests.mutation.mutant import Mutant

_FOLDER = "functions/build_image"

FAULTS = (
    Mutant(
        "life-cycle-by-age",
        "nested/image.yaml",
        '"selection": {"tagStatus": "untagged",',
        '"selection": {"tagStatus": "any",',
        "the image of a stack that is not deployed for a week is deleted, and no task starts again",
    ),
    Mutant(
        "tags-that-move",
        "nested/image.yaml",
        "ImageTagMutability: IMMUTABLE",
        "ImageTagMutability: MUTABLE",
        "a tag no longer means one content",
    ),
    Mutant(
        "image-without-its-source",
        "nested/image.yaml",
        "      Source: !Ref ImageSource\n",
        "",
        "a new package or plugin is deployed, and the former image keeps running",
    ),
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
        "constraints-ignored",
        f"{_FOLDER}/parts.py",
        'f"{name}=={pin}\\n" for name, pin in pins.items()',
        'f"{name}\\n" for name in pins',
        "a user's package silently brings another version of Airflow's own packages",
    ),
)
