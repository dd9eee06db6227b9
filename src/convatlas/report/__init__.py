"""The report of a finished run: plots, and one HTML page that opens anywhere."""

from convatlas.report.mistakes import Mistake
from convatlas.report.write import write_report

__all__ = ["Mistake", "write_report"]
