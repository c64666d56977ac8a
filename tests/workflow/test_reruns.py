"""What the rules name as params, so that a change runs a step again and nothing else does."""

from ct2zarr.run.options import Output, config_defaults
from ct2zarr.version import FORMAT_VERSION
from ct2zarr.workflow.reruns import changing_options, digest, report_options


def test_params_have_the_values_of_the_options_that_change_a_step_and_the_format():
    config = config_defaults() | {"max_depth": 7, "num_samples": 99}
    params = changing_options(config, Output.SCAN_PART)
    assert params == {"format_version": FORMAT_VERSION, "datasets": {}, "max_depth": 7}


def test_an_option_of_another_step_changes_nothing():
    config = config_defaults()
    for output in (Output.SCAN_PART, Output.MANIFEST, Output.SHARD):
        changed = changing_options(config | {"num_samples": 99}, output)
        assert changed == changing_options(config, output)


def test_the_report_shows_no_series_that_a_user_names():
    params = report_options(config_defaults() | {"sample_series": ["1.2.DOE"], "num_samples": 5})
    assert params["num_samples"] == 5
    assert params["sample_series"] == digest(["1.2.DOE"])
    assert "DOE" not in str(params)


def test_a_digest_changes_with_its_value_and_is_always_the_same():
    assert digest(["a"]) == digest(["a"]) != digest(["b"])
    assert len(digest([])) == 16
