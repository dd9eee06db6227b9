"""The report of a finished run: plots, and one HTML page that opens anywhere."""

from convatlas.report.examples import Example, Examples
from convatlas.report.galleries import opened_cells
from convatlas.report.write import write_report

__all__ = ["Example", "Examples", "opened_cells", "write_report"]
