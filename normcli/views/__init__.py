"""What people see: reports, tables, explanations, the bar."""
