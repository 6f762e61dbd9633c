"""Ways of writing messages: one module each, each with one :class:`~madang.sense.message.Codec`."""
