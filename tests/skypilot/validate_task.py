"""Runs with SkyPilot alone: read a task file and print what SkyPilot makes of it."""

import json
import sys

import sky

task = sky.Task.from_yaml(sys.argv[1])
(resources,) = task.resources
print(
    json.dumps(
        {
            "envs": task.envs,
            "run": task.run,
            "nodes": task.num_nodes,
            "spot": resources.use_spot,
            "recovery": resources.job_recovery,
            "mounts": {
                path: [storage.source, storage.mode.value]
                for path, storage in task.storage_mounts.items()
            },
        }
    )
)
