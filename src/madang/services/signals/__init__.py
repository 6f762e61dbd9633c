"""Signals that think ahead: measure, forecast, try hypotheses, choose, learn; safe always."""
