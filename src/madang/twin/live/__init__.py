"""The live twin: a street that runs with the clock and speaks MQTT like any farm of devices."""
