"""Incidents and playbooks."""
