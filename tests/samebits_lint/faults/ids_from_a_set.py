"""Subjects and items of a table get their numbers in the order of a set."""


def numbered(rows):
    subjects = set()
    for row in rows:
        subjects.add(row["subject"])
    return {subject: number for number, subject in enumerate(subjects)}


table = numbered([{"subject": "ann"}, {"subject": "bob"}])
