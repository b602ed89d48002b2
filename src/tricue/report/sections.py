"""The sections of the report's pages, in the order of the page: a function of the page's material each."""

from collections.abc import Callable, Sequence

from tricue.figures.page_parts import Section
from tricue.report.case_section import cases_sections
from tricue.report.embedding_figures import maps_sections
from tricue.report.learning_figures import learning_sections
from tricue.report.published import published_section
from tricue.report.readings import Material
from tricue.report.runs_section import runs_sections
from tricue.report.score_tables import baseline_sections, cost_sections, item_sections, phase_sections
from tricue.report.study_results import study_sections

Sections = Callable[[Material], Sequence[Section]]

OF_A_RUN: tuple[Sections, ...] = (
    phase_sections,
    baseline_sections,
    learning_sections,
    lambda page: page.task.sections(page.answers),
    maps_sections,
    item_sections,
    cases_sections,
    lambda page: study_sections(page.studies, page.metrics),
    lambda page: published_section(page.metrics),
    cost_sections,
)
OF_SEVERAL_RUNS: tuple[Sections, ...] = (
    runs_sections,
    baseline_sections,
    lambda page: page.task.sections(page.answers),
    item_sections,
    lambda page: study_sections(page.studies, page.metrics),
    lambda page: published_section(page.metrics),
)
