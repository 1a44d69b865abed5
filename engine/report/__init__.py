"""What a run leaves for its user, made from its journal alone: curve, picture, results, report, G's answers."""

from engine.report.answers import answers_file
from engine.report.files import files
from engine.report.painter import Painter
from engine.report.record import RunRecord, SavedStep, record
from engine.report.verdict import verdict

__all__ = ["Painter", "RunRecord", "SavedStep", "answers_file", "files", "record", "verdict"]
