"""Git diffs as bytes: split them, look at their paths, take parts of them away. Nothing here runs git.

Everything that grades or publishes a change passes through this package, and half of what passes comes from a model.
Paths are ``str`` with undecodable bytes kept as surrogates, so they compare and round-trip exactly; ``shown`` makes one
fit for a message.
"""

from swemill.patches.configuration_text import LARGEST_CONFIGURATION, parse_ini, parse_toml
from swemill.patches.layout import CONFIGURATION_FILES, TestLayout
from swemill.patches.operations import Sanitised, Split, changed_paths, sanitise, split
from swemill.patches.paths import is_documentation, is_test_config, is_test_path, shown, starts_by_itself
from swemill.patches.sections import BadPatch, Problem, Section, sections

__all__ = [
    "CONFIGURATION_FILES",
    "LARGEST_CONFIGURATION",
    "BadPatch",
    "Problem",
    "Sanitised",
    "Section",
    "Split",
    "TestLayout",
    "changed_paths",
    "is_documentation",
    "is_test_config",
    "is_test_path",
    "parse_ini",
    "parse_toml",
    "sanitise",
    "sections",
    "shown",
    "split",
    "starts_by_itself",
]
