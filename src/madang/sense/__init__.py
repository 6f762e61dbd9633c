"""How facts come in: devices, codecs, transports, feeds, files; nothing lost, everything judged."""
