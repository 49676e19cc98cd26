"""The report: one HTML file with the summary, a latent explorer, the figures and the tables."""

from analysis.report.networks import MapChoice
from analysis.report.report import LARGE, ReportSettings, write_report

__all__ = ["LARGE", "MapChoice", "ReportSettings", "write_report"]
