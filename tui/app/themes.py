"""The workbench's own themes. The curves' colours are told apart by people who do not see red and green alike.

primary: clean accuracy of B′ · error: attack success rate of B′ · secondary and warning: the same of G, and
thresholds · success: what is saved · accent: keys.
"""

from textual.theme import Theme

DARK = Theme(
    name="lab3-dark",
    primary="#56b4e9",
    secondary="#b79cf2",
    accent="#7fd1c4",
    warning="#e6c35c",
    error="#f0784a",
    success="#7ccf8a",
    foreground="#d5dbe3",
    background="#10141a",
    surface="#171c24",
    panel="#222934",
    dark=True,
    variables={
        "border": "#3a4555",
        "border-blurred": "#2b3442",
        "block-cursor-background": "#2f5f80",
        "block-cursor-foreground": "#f2f5f8",
        "block-cursor-text-style": "none",
        "input-selection-background": "#56b4e9 35%",
    },
)

LIGHT = Theme(
    name="lab3-light",
    primary="#0067a3",
    secondary="#6a4bb5",
    accent="#00746a",
    warning="#8a6100",
    error="#b83c0e",
    success="#247a3a",
    foreground="#20262e",
    background="#fbfbf9",
    surface="#f1f1ec",
    panel="#e4e4dd",
    dark=False,
    variables={
        "border": "#b9bcc0",
        "border-blurred": "#d0d2d4",
        "block-cursor-background": "#bfdcf0",
        "block-cursor-foreground": "#10141a",
        "block-cursor-text-style": "none",
        "input-selection-background": "#0067a3 30%",
    },
)

THEMES = (DARK, LIGHT)


def default_theme(color_system: str | None) -> str:
    """The theme for a terminal: its own sixteen colours where it has no more (`color_system` is rich's word)."""
    return "ansi-dark" if color_system in ("standard", "windows") else DARK.name
