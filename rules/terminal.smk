"""What a person sees of a run: bars on a terminal, and how it ended."""

import atexit

from ct2zarr.run.terminal import closing_table, run_lines, table_text, terminal_console
from ct2zarr.workflow.display import WorkflowDisplay


def draw_bars():
    """Bars for the whole run and its jobs, if a terminal shows what Snakemake prints by itself."""
    plain = any(handler.name == "DefaultStreamHandler" for handler in logger.handlers)
    if plain and sys.stderr.isatty() and not workflow.output_settings.quiet:
        display = WorkflowDisplay()
        display.start(logger)
        atexit.register(display.stop, logger)
        return display


def tell_outcome(title):
    """The closing table: on a terminal in colour, else as lines of the log."""
    if DISPLAY:
        DISPLAY[0].stop(logger)
    table = closing_table(title, run_lines(Path(STORE_ROOT), SHARDS))
    if sys.stderr.isatty() and not workflow.output_settings.quiet:
        terminal_console().print(table)
    else:
        logger.info(table_text(table))


DISPLAY = []
