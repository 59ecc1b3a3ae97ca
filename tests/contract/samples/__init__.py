"""Small documents of each format, one module a format, with independent readers of them.

base       The sample of a format
delimited  CSV and TSV
documents  JSON and JSON Lines
elements   XML
"""

import importlib
import pkgutil

from tests.contract.samples.base import Sample

SAMPLES: list[Sample] = [
    sample
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    for sample in importlib.import_module(f"{__name__}.{module}").SAMPLES
]
