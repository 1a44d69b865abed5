"""The workbench as a whole: the app and what it holds."""
