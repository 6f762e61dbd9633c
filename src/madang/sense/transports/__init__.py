"""Ways that messages come: MQTT (embedded broker, other brokers), HTTP push, WebSocket."""
