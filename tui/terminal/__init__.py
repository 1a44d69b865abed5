"""What touches Textual's driver, or a terminal's quirks."""
