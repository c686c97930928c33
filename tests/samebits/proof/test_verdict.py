"""What is said of a training that does not resume."""

from samebits.proof.verdict import Verdict


def test_what_nobody_can_look_into_is_named_where_a_training_does_not_resume() -> None:
    verdict = Verdict([], repeats=True, resumes=False, not_looked_at=["rows (sqlite3.Connection)"])
    line = "code in C keeps these, and nobody can see if they change: rows (sqlite3.Connection)"
    assert line in list(verdict.lines(["python", "train.py"]))
    assert verdict.as_json()["unsaved_not_looked_at"] == ["rows (sqlite3.Connection)"]
