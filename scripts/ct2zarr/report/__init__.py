"""Summaries joined, decisions of reviewers, the page."""
