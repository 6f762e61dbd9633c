"""Services on recorded history."""
