"""A picture of the dashboard, drawn from recorded metrics: the page docs/operating.md shows it.

CloudWatch draws the dashboard itself, which no machine without an account can show. A game day
(`make game-day`) records what the widgets would show into a file, and this package draws that file.
"""
