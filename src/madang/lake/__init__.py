"""Where history lives: columnar, in open files, beside the store that holds the present."""
