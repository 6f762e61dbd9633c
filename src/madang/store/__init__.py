"""Where state lives: the :class:`~madang.store.protocol.Store` protocol and its engines."""
