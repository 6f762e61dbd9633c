"""The NGSI-LD query languages, parsed into one syntax tree. Pure: no I/O, no clock.

``q``, ``geoQ``, ``scopeQ``, type selection and temporal queries become the nodes of
:mod:`madang.query.tree`. The tree is evaluated in memory over documents by
:mod:`madang.query.evaluate` (subscriptions) and compiled to SQL by the stores; a property test
holds that both agree.
"""
