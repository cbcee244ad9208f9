"""git as an oracle, free of the user's own configuration."""

import os
import subprocess


def git(root, *arguments, data=None):
    """What `git ARGUMENTS` prints in the folder `root`."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=root, input=data, capture_output=True, check=True, env=environment)
    return done.stdout.decode().strip()
