"""The report of a finished run: plots, and one HTML page that opens anywhere."""

from convatlas.report.contact_sheet import contact_sheet
from convatlas.report.examples import Example, Examples, Seen, Views
from convatlas.report.galleries import opened_cells
from convatlas.report.write import write_report

__all__ = ["Example", "Examples", "Seen", "Views", "contact_sheet", "opened_cells", "write_report"]
