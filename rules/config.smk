"""The package on the path, and the config files as a person wrote them."""

import inspect
import sys
from pathlib import Path

# Scripts find the package beside themselves; the rules need it too. They may be a module of another
# workflow, so the path counts from this file. From GitHub only single files come along, and the
# package has to be installed.
HERE = Path(inspect.currentframe().f_code.co_filename).resolve().parent
sys.path.append(str(HERE.parent / "scripts"))

from ct2zarr.run.entry import stop_with_sentence
from ct2zarr.workflow.config_files import check_config_file, check_default_config

if workflow.is_main_process:
    with stop_with_sentence():
        for path in workflow.overwrite_configfiles:
            check_config_file(Path(path))
        # A module has its config from the workflow that uses it, and values may be in the command.
        if not workflow.overwrite_configfiles and not config:
            check_default_config(Path("config/config.yaml"))
