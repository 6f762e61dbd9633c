"""Who may do what, and a record of it that nobody can quietly change.

How a request is judged: its credential gives a :class:`~madang.trust.principal.Principal`; the
policies, written in Cedar, give for that principal, an action, a tenant and a purpose a
:class:`~madang.query.reach.Reach`, worked out once and remembered; the reach is pushed into
queries, writes, subscriptions and streams by :class:`~madang.trust.view.View`, which stands in for
the tenant.
"""
