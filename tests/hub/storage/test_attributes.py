"""What the mapping of the tables keeps in memory."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc
from sqlalchemy.orm import configure_mappers
from sqlalchemy.sql.annotation import Annotated
from hub.storage.tables import Patient
configure_mappers()
def made(): return sum(isinstance(each, Annotated) for each in gc.get_objects())
before = made()
str(Patient.family_name == "x")
print(before, made() - before)
"""


def test_mapping_the_tables_makes_no_expression_until_one_is_asked_for() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert ran.stderr == ""
    before, asked = map(int, ran.stdout.split())
    assert before < 50
    assert asked > 0
