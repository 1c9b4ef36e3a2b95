"""Saved records to pages, tables and figures. Reads files, never a live model."""

__all__ = [
    "Table",
    "as_csv",
    "as_markdown",
    "interval_chart_svg",
    "line_chart_svg",
    "svg_data_uri",
    "write_background_pool_report",
    "write_box_sheet",
    "write_diagnosis_report",
    "write_evaluation_report",
    "write_explain_report",
    "write_ranked_sheet",
]

from figureground.reports.background_pool_report import write_background_pool_report
from figureground.reports.box_sheet import write_box_sheet
from figureground.reports.diagnosis_report import write_diagnosis_report
from figureground.reports.evaluation_report import write_evaluation_report
from figureground.reports.explain_report import write_explain_report
from figureground.reports.figures import interval_chart_svg, line_chart_svg, svg_data_uri
from figureground.reports.ranked_sheet import write_ranked_sheet
from figureground.reports.tables import Table, as_csv, as_markdown
