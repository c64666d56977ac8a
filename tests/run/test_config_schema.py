"""The schema of a config has each of its options, and no other."""

from ct2zarr.run.config_schema import config_schema
from ct2zarr.run.options import OPTIONS, config_options


def test_the_options_of_a_config_are_the_properties_in_their_order():
    schema = config_schema()
    assert list(schema["properties"]) == [one.name for one in config_options()]
    assert schema["additionalProperties"] is False


def test_a_property_has_the_words_the_values_and_the_default_of_its_option():
    option = OPTIONS["num_shards"]
    assert config_schema()["properties"]["num_shards"] == {
        "description": option.about,
        "type": "integer",
        "minimum": 1,
        "default": 16,
    }
