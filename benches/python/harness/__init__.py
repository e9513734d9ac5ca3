"""How rows are measured and told: processes, rounds, figures, the report. It knows no contender."""
