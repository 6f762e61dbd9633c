"""Feeds: what a publisher offers on the web, fetched again and again and written as entities.

A feed is declared in a TOML file (:mod:`.declaration`). Its ``kind`` names a folder of this package
that knows one way of publishing; all of them are alike (:mod:`.kinds`). How things are asked for,
kept and retried is the same for all (:mod:`.fetch`, :mod:`.schedule`).
"""
